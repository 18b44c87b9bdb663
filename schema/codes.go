package schema

// The codes of violations that no schema file names itself (x-weir-code). They
// are stable: tools and people look them up.
const (
	CodeUnknownAPIVersion = "unknown-api-version"
	CodeUnknownKind       = "unknown-kind"
	CodeUnknownField      = "unknown-field"
	CodeMissingField      = "missing-field"
	CodeWrongType         = "wrong-type"
	CodeNotAllowedValue   = "not-allowed-value"
	CodeBadValue          = "bad-value"
	CodeTooShort          = "too-short"
	CodeTooFew            = "too-few"
	CodeTooMany           = "too-many"
	CodeTooManyServers    = "too-many-servers"
	CodeTooSmall          = "too-small"
	CodeTooLarge          = "too-large"
	CodeDuplicateItem     = "duplicate-item"
	CodeDuplicateName     = "duplicate-name"
	CodeTooManyValues     = "too-many-values"
	CodeUnfit             = "unfit-value"
	CodeInternal          = "internal"
)

// Codes returns every code that Check can give, in no order: those above and
// those that the schema files name.
func Codes() []string {
	seen := map[string]bool{}
	for _, code := range []string{
		CodeUnknownAPIVersion, CodeUnknownKind, CodeUnknownField, CodeMissingField, CodeWrongType,
		CodeNotAllowedValue, CodeBadValue, CodeTooShort, CodeTooFew, CodeTooMany, CodeTooManyServers,
		CodeTooSmall, CodeTooLarge, CodeDuplicateItem, CodeDuplicateName, CodeTooManyValues, CodeUnfit,
		CodeInternal,
	} {
		seen[code] = true
	}
	for _, k := range loaded().kinds {
		collectCodes(k.tree, seen)
	}
	out := make([]string, 0, len(seen))
	for code := range seen {
		out = append(out, code)
	}
	return out
}

func collectCodes(v any, into map[string]bool) {
	for key, sub := range table(v) {
		if code, ok := sub.(string); ok && key == "x-weir-code" {
			into[code] = true
		}
		collectCodes(sub, into)
	}
	for _, sub := range list(v) {
		collectCodes(sub, into)
	}
}
