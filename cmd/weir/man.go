package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"weir/schema"
)

// manCmd is for those who package weir; its pages say what --help says.
func (a *app) manCmd() *cobra.Command {
	return &cobra.Command{
		Use:    "man DIR",
		Hidden: true,
		Short:  "Write the manual's pages into a folder",
		Long: "man writes weir(1), a page for each command, and weir.yaml(5). Their date is that of SOURCE_DATE_EPOCH where\n" +
			"it is set, so that the pages of one release are the same wherever they are made.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			date, err := manDate(os.Getenv("SOURCE_DATE_EPOCH"), time.Now())
			if err != nil {
				return err
			}
			return writeManual(cmd.Root(), args[0], date)
		},
	}
}

// manDate returns the date of the pages: that of an epoch in seconds, or today's.
func manDate(epoch string, now time.Time) (string, error) {
	if epoch != "" {
		seconds, err := strconv.ParseInt(epoch, 10, 64)
		if err != nil {
			return "", fmt.Errorf("SOURCE_DATE_EPOCH %q: want seconds since 1970", epoch)
		}
		now = time.Unix(seconds, 0)
	}
	return now.UTC().Format(time.DateOnly), nil
}

// writeManual writes a page for root and each of its commands that is shown,
// and the page of weir.yaml.
func writeManual(root *cobra.Command, dir, date string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // a manual is for everybody
		return err
	}
	pages := map[string]string{}
	for _, cmd := range append([]*cobra.Command{root}, documented(root)...) {
		pages[manName(cmd)+".1"] = commandPage(cmd, date)
	}
	text, err := configPage(date)
	if err != nil {
		return err
	}
	pages["weir.yaml.5"] = text
	for name, text := range pages {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil { //nolint:gosec // likewise
			return err
		}
	}
	return nil
}

// documented returns the commands below cmd that its help lists, and theirs.
func documented(cmd *cobra.Command) []*cobra.Command {
	var out []*cobra.Command
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() && c.Name() != "help" {
			out = append(append(out, c), documented(c)...)
		}
	}
	return out
}

func manName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// page is a manual page in the macros of man(7).
type page struct{ strings.Builder }

func newPage(name, section, date, short string) *page {
	p := &page{}
	fmt.Fprintf(p, ".TH %s %s %s weir \"weir manual\"\n", roffQuoted(strings.ToUpper(name)), section, date)
	p.section("NAME")
	fmt.Fprintf(p, "%s \\- %s\n", roff(name), roff(short))
	return p
}

func (p *page) section(title string) { fmt.Fprintf(p, ".SH %s\n", roffQuoted(title)) }

// text writes paragraphs; lines that are indented stay as they are.
func (p *page) text(s string) {
	for i, paragraph := range strings.Split(strings.TrimSpace(s), "\n\n") {
		if i > 0 {
			fmt.Fprint(p, ".PP\n")
		}
		if strings.HasPrefix(paragraph, " ") || strings.HasPrefix(paragraph, "\t") {
			fmt.Fprintf(p, ".nf\n%s\n.fi\n", roff(paragraph))
			continue
		}
		fmt.Fprint(p, roff(paragraph)+"\n")
	}
}

// entry writes a term and what it is.
func (p *page) entry(term, text string) { fmt.Fprintf(p, ".TP\n%s\n%s\n", term, roff(text)) }

// flags writes a section of flags, where there are any.
func (p *page) flags(title string, set *pflag.FlagSet) {
	if !set.HasAvailableFlags() {
		return
	}
	p.section(title)
	set.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		name, usage := pflag.UnquoteUsage(f)
		term := `\fB` + roff("--"+f.Name) + `\fR`
		if f.Shorthand != "" {
			term = `\fB` + roff("-"+f.Shorthand) + `\fR, ` + term
		}
		if name != "" {
			term += `=\fI` + roff(name) + `\fR`
		}
		if !slices.Contains([]string{"", "false", "[]", "0", "0s"}, f.DefValue) {
			usage += " (default " + f.DefValue + ")"
		}
		p.entry(term, usage)
	})
}

// commandPage is the page of one command.
func commandPage(cmd *cobra.Command, date string) string {
	cmd.InitDefaultHelpFlag()
	p := newPage(manName(cmd), "1", date, cmd.Short)
	p.section("SYNOPSIS")
	fmt.Fprintf(p, "\\fB%s\\fR\n", roff(cmd.UseLine()))
	p.section("DESCRIPTION")
	if cmd.Long != "" {
		p.text(cmd.Long)
	} else {
		p.text(cmd.Short + ".")
	}
	if cmd.Example != "" {
		p.section("EXAMPLES")
		fmt.Fprintf(p, ".nf\n%s\n.fi\n", roff(strings.Trim(cmd.Example, "\n")))
	}
	p.commands(cmd)
	p.flags("OPTIONS", cmd.NonInheritedFlags())
	p.flags("OPTIONS OF EVERY COMMAND", cmd.InheritedFlags())
	p.section("EXIT STATUS")
	p.entry("0", "Done.")
	p.entry("1", "Failed: problems were found, calls failed, or the command was not understood.")
	if cmd.Flags().Lookup("exit-code") != nil {
		p.entry("2", "With --exit-code: there are changes.")
	}
	p.seeAlso(cmd)
	return p.String()
}

// commands lists what is below a command.
func (p *page) commands(cmd *cobra.Command) {
	below := documented(cmd)
	if len(below) == 0 {
		return
	}
	p.section("COMMANDS")
	for _, c := range below {
		if c.Parent() == cmd {
			p.entry(`\fB`+roff(manName(c))+`\fR(1)`, c.Short)
		}
	}
}

func (p *page) seeAlso(cmd *cobra.Command) {
	p.section("SEE ALSO")
	if cmd.HasParent() {
		fmt.Fprintf(p, ".BR %s (1),\n", roff(manName(cmd.Parent())))
	}
	fmt.Fprint(p, ".BR weir.yaml (5)\n")
}

// configPage is the page of weir.yaml, from the schema it is checked against.
func configPage(date string) (string, error) {
	doc, err := schemaDoc(schema.Ref{APIVersion: "weir/v1", Kind: "Config"})
	if err != nil {
		return "", err
	}
	p := newPage("weir.yaml", "5", date, "configuration of weir")
	p.section("DESCRIPTION")
	p.text("The file is YAML, read strictly: what is not described here is refused, with line and column. Paths are " +
		"relative to the file. Secrets are never in it: it names files and variables that hold them.")
	p.section("FIELDS")
	p.fields("", doc)
	p.section("SEE ALSO")
	fmt.Fprint(p, ".BR weir (1)\n")
	return p.String(), nil
}

// fields lists the fields of doc by their paths, in the order of their names.
func (p *page) fields(path string, doc fieldDoc) {
	for _, name := range slices.Sorted(maps.Keys(doc.Properties)) {
		f := doc.Properties[name]
		text := f.Description
		if len(f.Enum) > 0 {
			text += " One of " + strings.Trim(fmt.Sprint(f.Enum), "[]") + "."
		}
		term := fmt.Sprintf("\\fB%s\\fR (%s)", roff(path+name), roff(f.kind(slices.Contains(doc.Required, name))))
		p.entry(term, text)
		p.fields(path+name+".", f)
		if f.Items != nil {
			p.fields(path+name+"[].", *f.Items)
		}
	}
}

// roff writes text so that roff prints it as it is.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`).Replace(s)
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}

// roffQuoted is roff as one argument of a macro.
func roffQuoted(s string) string { return `"` + strings.ReplaceAll(roff(s), `"`, `\(dq`) + `"` }
