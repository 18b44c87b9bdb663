package schema

// Shape is the part of a schema that tells what type each value shall have,
// for a loader that has to decide what a plain scalar means. It must not be
// changed.
type Shape struct {
	Type       string            // "object", "array", "string", "boolean", "integer", "number"
	Properties map[string]*Shape // of an object
	Additional *Shape            // of an object's other properties, nil where there are none
	Items      *Shape            // of an array
	MaxItems   int               // of an array, 0 for any number
}

// ShapeOf returns the shape of a kind's documents, nil for an unknown kind.
func ShapeOf(apiVersion, kind string) *Shape {
	k, ok := loaded().kinds[Ref{apiVersion, kind}]
	if !ok {
		return nil
	}
	return k.shape
}

// Field returns the shape of an object's property. It may be called on nil.
func (s *Shape) Field(name string) *Shape {
	if s == nil {
		return nil
	}
	if sub, ok := s.Properties[name]; ok {
		return sub
	}
	return s.Additional
}

// Item returns the shape of an array's items. It may be called on nil.
func (s *Shape) Item() *Shape {
	if s == nil {
		return nil
	}
	return s.Items
}

func newShape(node map[string]any) *Shape {
	s := &Shape{Type: typeOf(node)}
	if props := table(node["properties"]); props != nil {
		s.Properties = make(map[string]*Shape, len(props))
		for name, sub := range props {
			s.Properties[name] = newShape(table(sub))
		}
	}
	if sub := table(node["additionalProperties"]); sub != nil {
		s.Additional = newShape(sub)
	}
	if sub := table(node["items"]); sub != nil {
		s.Items = newShape(sub)
	}
	if n, ok := node["maxItems"].(float64); ok {
		s.MaxItems = int(n)
	}
	return s
}

// typeOf returns the type a schema asks for. Ours write no type beside const
// and enum, whose values are all texts.
func typeOf(node map[string]any) string {
	_, constant := node["const"]
	_, enum := node["enum"]
	if constant || enum {
		return "string"
	}
	return text(node["type"])
}
