package manifest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// advise adds warnings to a document that the schema accepts.
func (r *reader) advise(d *document) {
	spec, _ := d.value["spec"].(map[string]any)
	if d.apiVersion == "aliyun/v1" && d.kind == "RtcPrefetch" && spec["connectionTimeout"] == nil {
		r.problems.add(d.place.Problem([]string{"spec", "connectionTimeout"}, true, CodeKeptForever,
			"without connectionTimeout the prefetch is kept for ever and cannot be undone; "+
				"write a duration, or 0s if that is meant", Warning))
	}
}

// secrets warns of texts that look like keys or passwords. A message never
// holds the text itself.
func (r *reader) secrets(d *document) {
	if d.value == nil {
		return
	}
	var found []Problem
	lookForSecrets(make([]string, 0, 16), d.value, false, func(path []string, length int) {
		msg := fmt.Sprintf("this looks like a key or password (%d characters); whoever reads the source reads it too",
			length)
		found = append(found, d.place.Problem(path, false, CodeSecretInText, msg, Warning))
	})
	slices.SortFunc(found, compareProblems)
	for _, p := range found {
		r.problems.add(p)
	}
}

// LooksSecret reports whether the value at a field's path ("spec" left out, as in
// resource.Field) holds what looks like a key or password.
func LooksSecret(path string, v any) bool {
	steps := strings.FieldsFunc(path, func(r rune) bool { return r == '.' || r == '[' || r == ']' })
	free := slices.Contains(steps, "params") || slices.Contains(steps, "labels")
	found := false
	lookForSecrets(append([]string{""}, steps...), v, free, func([]string, int) { found = true })
	return found
}

// lookForSecrets walks a value; free says that its texts are of the user's own
// making (labels, parameters) and not names that the cloud knows.
func lookForSecrets(path []string, v any, free bool, report func(path []string, length int)) {
	switch v := v.(type) {
	case map[string]any:
		for key, sub := range v {
			lookForSecrets(append(path, key), sub, free || key == "labels" || key == "params", report)
		}
	case []any:
		for i, sub := range v {
			lookForSecrets(append(path, strconv.Itoa(i)), sub, free, report)
		}
	case string:
		named := len(v) >= 8 && secretName(path[len(path)-1])
		if accessKey(v) || free && (named || random(v)) {
			report(slices.Clone(path), len(v))
		}
	}
}

// accessKey recognises the keys that clouds and git hosts give out.
func accessKey(s string) bool {
	if len(s) < 16 {
		return false
	}
	for _, prefix := range [...]string{
		"LTAI", "STS.", "AKLT", "AKTP", "AKIA", "ghp_", "github_pat_", "glpat-",
		"-----BEGIN ",
	} {
		if strings.HasPrefix(s, prefix) {
			return true
		}
	}
	return false
}

// secretName recognises fields that are named after what they hold.
func secretName(key string) bool {
	key = strings.ToLower(key)
	for _, word := range []string{
		"secret", "password", "passwd", "token", "accesskey", "access_key", "apikey",
		"api_key", "credential",
	} {
		if strings.Contains(key, word) {
			return true
		}
	}
	return false
}

// random recognises a long run of letters of both cases and digits, as keys are.
func random(s string) bool {
	if len(s) < 30 || strings.ContainsAny(s, " .:") {
		return false
	}
	var upper, lower, digits int
	for _, r := range s {
		switch {
		case unicode.IsUpper(r):
			upper++
		case unicode.IsLower(r):
			lower++
		case unicode.IsDigit(r):
			digits++
		}
	}
	return upper >= 4 && lower >= 4 && digits >= 3
}
