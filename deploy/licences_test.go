package deploy

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// permissive are the licences we may ship under without more than naming them,
// each by sentences that only it has. The order matters: BSD-2-Clause is
// BSD-3-Clause without a sentence.
var permissive = []struct {
	name      string
	sentences []string
}{
	{"Apache-2.0", []string{"apache license", "version 2.0", "grant of patent license"}},
	{"MIT", []string{
		"permission is hereby granted, free of charge", "without restriction", "the software is provided \"as is\"",
	}},
	{"ISC", []string{"permission to use, copy, modify, and", "distribute this software for any purpose with or without fee"}},
	{"BSD-3-Clause", []string{
		"redistribution and use in source and binary forms", "neither the name", "this software is provided by",
	}},
	{"BSD-2-Clause", []string{
		"redistribution and use in source and binary forms", "redistributions in binary form must",
		"this software is provided by",
	}},
	{"public domain", []string{"this is free and unencumbered software released into the public domain"}},
}

// strong are names of licences that ask for more.
var strong = regexp.MustCompile(`gnu (lesser |library |affero )?general public|mozilla public|` +
	`server side public|business source|eclipse public|common development`)

var errNoLicence = errors.New("no file that holds a licence")

// licenceOf returns which permissive licence the files in a module's root are.
func licenceOf(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	found := ""
	for _, e := range entries {
		if e.IsDir() || !licenceName(e.Name()) {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return "", err
		}
		name, err := classify(string(b))
		if err != nil {
			return "", fmt.Errorf("%s: %w", e.Name(), err)
		}
		if found == "" {
			found = name
		}
	}
	if found == "" {
		return "", errNoLicence
	}
	return found, nil
}

// licenceOfFiles returns the licence of packages each of whose files says its
// own in its first line: of a module under several, what is linked counts.
func licenceOfFiles(dirs []string) (string, error) {
	const line = "// SPDX-License-Identifier: "
	known := map[string]bool{"BSD-3-Clause": true, "BSD-2-Clause": true, "MIT": true, "Apache-2.0": true}
	found := ""
	for _, dir := range dirs {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			return "", err
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			b, err := os.ReadFile(name)
			if err != nil {
				return "", err
			}
			first, _, _ := strings.Cut(string(b), "\n")
			licence, ok := strings.CutPrefix(first, line)
			if !ok || !known[licence] {
				return "", fmt.Errorf("%s: its first line names no permissive licence", filepath.Base(name))
			}
			found = licence
		}
	}
	if found == "" {
		return "", errNoLicence
	}
	return found, nil
}

// licenceName reports whether a file is a licence by its name; what a module
// writes about others' licences is not its own.
func licenceName(name string) bool {
	upper := strings.ToUpper(name)
	stem, _, _ := strings.Cut(upper, ".")
	return slices.Contains([]string{"LICENSE", "LICENCE", "COPYING", "UNLICENSE", "LICENSE-MIT", "LICENSE-APACHE"}, stem)
}

// classify names the licence a text is.
func classify(text string) (string, error) {
	quotes := strings.NewReplacer("“", `"`, "”", `"`, "''", `"`, "``", `"`)
	text = strings.Join(strings.Fields(quotes.Replace(strings.ToLower(text))), " ")
	if m := strong.FindString(text); m != "" {
		return "", fmt.Errorf("not permissive: it says %q", m)
	}
	for _, l := range permissive {
		has := func(s string) bool { return strings.Contains(text, s) }
		if !slices.ContainsFunc(l.sentences, func(s string) bool { return !has(s) }) {
			return l.name, nil
		}
	}
	return "", errors.New("a licence that is not known to be permissive")
}

func TestClassify(t *testing.T) {
	const bsd = "Redistribution and use in source and binary forms, with or without\nmodification, are permitted. " +
		"Redistributions in binary form must reproduce. %s THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS"
	for name, c := range map[string]struct{ text, want string }{
		"apache": {"Apache License\n Version 2.0, January 2004\n 3. Grant of Patent License.", "Apache-2.0"},
		"mit": {
			"Permission is hereby granted, free of charge, to any person, to deal without restriction. " +
				"THE SOFTWARE IS\nPROVIDED \"AS IS\"", "MIT",
		},
		"bsd 3":   {fmt.Sprintf(bsd, "Neither the name of Google"), "BSD-3-Clause"},
		"bsd 2":   {fmt.Sprintf(bsd, ""), "BSD-2-Clause"},
		"gpl":     {"GNU GENERAL PUBLIC LICENSE Version 3", ""},
		"mpl":     {"Mozilla Public License Version 2.0", ""},
		"bsl":     {"Business Source License 1.1", ""},
		"nothing": {"All rights reserved.", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := classify(c.text)
			if got != c.want || (err == nil) != (c.want != "") {
				t.Errorf("%q, %v; want %q", got, err, c.want)
			}
		})
	}
}

func TestLicenceOf(t *testing.T) {
	dir := t.TempDir()
	if _, err := licenceOf(dir); !errors.Is(err, errNoLicence) {
		t.Errorf("an empty module: %v", err)
	}
	if got, err := licenceOf(".."); got != "Apache-2.0" || err != nil {
		t.Errorf("weir's own: %q, %v", got, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "COPYING"), []byte("GNU Affero General Public License"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := licenceOf(dir); err == nil {
		t.Error("a copyleft licence passes")
	}
}
