package main

import (
	"path/filepath"

	"weir/sync/manifest"
)

// The part of SARIF 2.1.0 that code scanning reads.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool    sarifTool     `json:"tool"`
		Results []sarifResult `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name    string      `json:"name"`
		Version string      `json:"version"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID   string    `json:"id"`
		Help sarifText `json:"help"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifResult struct {
		RuleID    string          `json:"ruleId"`
		Level     string          `json:"level"`
		Message   sarifText       `json:"message"`
		Locations []sarifLocation `json:"locations"`
	}
	sarifLocation struct {
		Physical sarifPhysical `json:"physicalLocation"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   sarifRegion   `json:"region"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn"`
	}
)

func sarif(problems []manifest.Problem) sarifLog {
	driver := sarifDriver{Name: "weir", Version: version().Version, Rules: []sarifRule{}}
	results := []sarifResult{}
	known := map[string]bool{}
	for _, p := range problems {
		if !known[p.Code] {
			help, _ := manifest.Explain(p.Code)
			driver.Rules = append(driver.Rules, sarifRule{p.Code, sarifText{help}})
			known[p.Code] = true
		}
		results = append(results, sarifProblem(p))
	}
	return sarifLog{
		Schema: "https://json.schemastore.org/sarif-2.1.0.json", Version: "2.1.0",
		Runs: []sarifRun{{sarifTool{driver}, results}},
	}
}

func sarifProblem(p manifest.Problem) sarifResult {
	level := string(p.Severity)
	if p.Severity == manifest.Notice {
		level = "note"
	}
	text := p.Message
	if p.Path != "" {
		text = p.Path + ": " + text
	}
	return sarifResult{p.Code, level, sarifText{text}, []sarifLocation{{sarifPhysical{
		sarifArtifact{filepath.ToSlash(p.File)}, sarifRegion{max(p.Line, 1), max(p.Column, 1)},
	}}}}
}
