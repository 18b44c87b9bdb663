// Package grafana writes the dashboard of weir for Grafana: dashboard.go says what is
// on it, grafana.go how Grafana wants it. `go test ./deploy/grafana -update` writes
// provisioning/dashboards/weir.json anew; nothing of the program imports this package.
package grafana

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// The widths of the grid, and the heights of panels on it.
const (
	gridWidth  = 24
	rowHeight  = 1
	statHeight = 4
	highHeight = 8
)

// schemaVersion is that of Grafana 10.4, which later ones bring up to their own.
const schemaVersion = 39

// Panel is one of the dashboard.
type Panel struct {
	Title, Description string
	Kind               Kind
	Unit               string
	Width              int // of 24
	Queries            []Query
	// Steps colour a value from the first, lowest one on; none for one colour.
	Steps []Step
	Words []string // instead of 0, 1 and so on
	Max   float64  // of the axis or gauge, 0 for none
	Stack bool     // of a time series
}

// Kind is how a panel shows its data.
type Kind string

// The kinds.
const (
	Stat   Kind = "stat"
	Series Kind = "timeseries"
	Gauge  Kind = "bargauge"
	Table  Kind = "table"
)

// Query is an expression with what its series are called.
type Query struct{ Expr, Legend string }

// Step is from where on a value has a colour.
type Step struct {
	From  float64
	Color string
}

// Row is a heading with panels.
type Row struct {
	Title  string
	Panels []Panel
}

// object is a part of the document. encoding/json orders its keys.
type object map[string]any

// Write returns the dashboard as Grafana imports it.
func Write(rows []Row) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(object{
		"uid": "weir-overview", "title": "weir", "tags": []string{"weir"},
		"description":   "What is in force, what is to be done, and what it costs: all that weir tells Prometheus.",
		"schemaVersion": schemaVersion, "version": 1, "editable": true, "graphTooltip": 1, "refresh": "30s",
		"timezone": "browser", "time": object{"from": "now-6h", "to": "now"}, "weekStart": "",
		"timepicker": object{}, "links": []object{}, "annotations": annotations(), "templating": variables(),
		"panels": layout(rows),
	})
	return b.Bytes(), err
}

// datasource is the one that is chosen on the dashboard.
func datasource() object { return object{"type": "prometheus", "uid": "${datasource}"} }

// annotations mark when another revision came into force, and when weir started.
func annotations() object {
	mark := func(name, color, expr, title string) object {
		return object{
			"name": name, "datasource": datasource(), "enable": true, "hide": false, "iconColor": color,
			"expr": chosen.Replace(expr), "titleFormat": title, "step": "30s", "useValueForTime": false,
		}
	}
	return object{"list": []object{
		mark("Revisions", "blue",
			"weir_source_revision_info{P} unless (weir_source_revision_info{P} offset 1m)",
			"{{source}} {{revision}}"),
		mark("Starts", "orange", "changes(process_start_time_seconds{J}[1m]) > 0", "weir starts"),
	}}
}

// variables let the reader choose the Prometheus, the processes and the accounts.
func variables() object {
	choose := func(name, label, query string) object {
		return object{
			"name": name, "label": label, "type": "query", "datasource": datasource(), "definition": query,
			"query": object{"query": query, "refId": name}, "refresh": 2, "sort": 1, "hide": 0, "regex": "",
			"multi": true, "includeAll": true, "allValue": ".*", "options": []object{}, "skipUrlSync": false,
			"current": object{"selected": true, "text": []string{"All"}, "value": []string{"$__all"}},
		}
	}
	return object{"list": []object{
		{
			"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "refresh": 1, "hide": 0,
			"multi": false, "includeAll": false, "options": []object{}, "regex": "", "skipUrlSync": false,
			"current": object{"selected": false, "text": "", "value": ""},
		},
		choose("instance", "weir", "label_values(weir_build_info, instance)"),
		choose("account", "Account", "label_values(weir_leader, account)"),
	}}
}

// layout places the panels from left to right, and each row below the one before.
func layout(rows []Row) []object {
	var out []object
	y := 0
	for _, r := range rows {
		out = append(out, object{
			"id": len(out) + 1, "type": "row", "title": r.Title, "collapsed": false, "panels": []object{},
			"gridPos": object{"x": 0, "y": y, "w": gridWidth, "h": rowHeight},
		})
		y += rowHeight
		x, high := 0, 0
		for _, p := range r.Panels {
			if x+p.Width > gridWidth {
				x, y, high = 0, y+high, 0
			}
			o := p.object()
			o["id"], o["gridPos"] = len(out)+1, object{"x": x, "y": y, "w": p.Width, "h": p.height()}
			out = append(out, o)
			x, high = x+p.Width, max(high, p.height())
		}
		y += high
	}
	return out
}

func (p Panel) height() int {
	if p.Kind == Stat {
		return statHeight
	}
	return highHeight
}

func (p Panel) object() object {
	o := object{
		"type": p.Kind, "title": p.Title, "description": p.Description, "datasource": datasource(),
		"targets": p.targets(), "options": p.options(),
		"fieldConfig": object{"defaults": p.defaults(), "overrides": []object{}},
	}
	if p.Kind == Table {
		hidden := object{"Time": true, "__name__": true, "job": true, "Value": true}
		o["transformations"] = []object{{"id": "organize", "options": object{"excludeByName": hidden}}}
	}
	return o
}

func (p Panel) targets() []object {
	var out []object
	for i, q := range p.Queries {
		t := object{
			"refId": string(rune('A' + i)), "datasource": datasource(), "expr": chosen.Replace(q.Expr), "legendFormat": q.Legend,
			"editorMode": "code", "range": p.Kind == Series, "instant": p.Kind != Series,
		}
		if p.Kind == Table {
			t["format"] = "table"
		}
		out = append(out, t)
	}
	return out
}

// defaults say how values look: unit, colours, words and the lines of a series.
func (p Panel) defaults() object {
	steps := []object{{"color": "green", "value": nil}}
	for i, s := range p.Steps {
		if i == 0 {
			steps[0]["color"] = s.Color
			continue
		}
		steps = append(steps, object{"color": s.Color, "value": s.From})
	}
	d := object{
		"unit": p.Unit, "thresholds": object{"mode": "absolute", "steps": steps},
		"color": object{"mode": p.color()}, "mappings": p.mappings(), "custom": p.custom(),
	}
	if p.Max > 0 {
		d["min"], d["max"] = 0, p.Max
	}
	return d
}

func (p Panel) color() string {
	if p.Kind == Series {
		return "palette-classic"
	}
	return "thresholds"
}

func (p Panel) mappings() []object {
	out := []object{}
	if len(p.Words) == 0 {
		return out
	}
	words := object{}
	for i, text := range p.Words {
		words[strconv.Itoa(i)] = object{"text": text, "index": i}
	}
	return append(out, object{"type": "value", "options": words})
}

func (p Panel) custom() object {
	if p.Kind != Series {
		return object{}
	}
	c := object{
		"drawStyle": "line", "lineWidth": 1, "fillOpacity": 10, "showPoints": "never", "spanNulls": false,
		"axisSoftMin": 0, "thresholdsStyle": object{"mode": "off"}, "stacking": object{"mode": "none", "group": "A"},
	}
	if p.Stack {
		c["stacking"], c["fillOpacity"] = object{"mode": "normal", "group": "A"}, 40
	}
	if len(p.Steps) > 1 {
		c["thresholdsStyle"] = object{"mode": "dashed"}
	}
	return c
}

func (p Panel) options() object {
	last := object{"calcs": []string{"lastNotNull"}, "fields": "", "values": false}
	switch p.Kind {
	case Stat:
		return object{
			"reduceOptions": last, "colorMode": "background", "graphMode": "none", "justifyMode": "auto",
			"orientation": "auto", "textMode": "auto",
		}
	case Gauge:
		return object{"reduceOptions": last, "displayMode": "gradient", "orientation": "horizontal", "showUnfilled": true}
	case Table:
		return object{"showHeader": true, "cellHeight": "sm"}
	}
	return object{
		"legend": object{
			"displayMode": "table", "placement": "bottom", "showLegend": true, "calcs": []string{"lastNotNull", "max"},
		},
		"tooltip": object{"mode": "multi", "sort": "desc"},
	}
}
