package cli

import (
	"os"
	"strings"

	"github.com/urfave/cli/v3"
)

// helpHint is the command line that prints c's help page.
func (a *app) helpHint(c *cli.Command) string {
	if c.Name == a.name {
		return a.name + " --help"
	}
	return a.name + " " + c.Name + " --help"
}

// helpFor prints the help page of the named command.
func (a *app) helpFor(root *cli.Command, name string) error {
	if name == "help" || name == "h" {
		return a.printRootHelp(root)
	}
	c := a.command(name)
	if c == nil {
		return a.unknownCommand(name)
	}
	c.Flags = append(c.Flags, helpFlag(new(bool)))
	return a.printHelp(c)
}

// printRootHelp prints the page of the program itself.
func (a *app) printRootHelp(root *cli.Command) error {
	p := a.newPage()
	p.text(a.name + " runs containers from OCI bundles: a directory with a config.json and a root file system.\n")
	p.heading("Usage")
	p.text("  " + a.name + " [global options] COMMAND [options] [ID]\n")
	group := ""
	width := 0
	for _, name := range commandNames() {
		width = max(width, len(name))
	}
	for _, name := range commandNames() {
		c := a.command(name)
		if c.Category != group {
			group = c.Category
			p.heading(group)
		}
		p.row(c.Name, c.Usage, width)
	}
	p.heading("Global options")
	p.flags(root.Flags)
	p.heading("Example")
	p.text(indent(a.expand(`mkdir -p web/rootfs && cd web    # fill rootfs with a root file system
NAME spec                        # writes config.json
sudo NAME run web                # a shell in it
`)))
	p.text("\n" + a.name + " COMMAND --help tells more about a command; the manual is tare(8).\n")
	return a.print(p.String())
}

// printHelp prints the page of one command.
func (a *app) printHelp(c *cli.Command) error {
	p := a.newPage()
	p.text(a.name + " " + c.Name + ": " + c.Usage + "\n")
	p.heading("Usage")
	usage := "  " + a.name + " " + c.Name + " [options]"
	if c.ArgsUsage != "" {
		usage += " " + c.ArgsUsage
	}
	p.text(usage + "\n")
	about, examples, _ := strings.Cut(c.Description, "\n\n")
	p.text("\n" + a.expand(about) + "\n")
	p.heading("Options")
	p.flags(c.Flags)
	p.heading("Example")
	p.text(indent(a.expand(strings.TrimRight(examples, "\n") + "\n")))
	return a.print(p.String())
}

// expand puts the program's name into a help text.
func (a *app) expand(s string) string { return strings.ReplaceAll(s, "NAME", a.name) }

// page is a help page in the making.
type page struct {
	strings.Builder
	bold, plain string // escape sequences, or nothing
}

// newPage starts a page; headings are bold if a person reads it on a terminal and NO_COLOR (https://no-color.org) is unset.
func (a *app) newPage() *page {
	f, ok := a.stdout.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return &page{}
	}
	// A character device is close enough to a terminal: /dev/null does not mind.
	if st, err := f.Stat(); err != nil || st.Mode()&os.ModeCharDevice == 0 {
		return &page{}
	}
	return &page{bold: "\x1b[1m", plain: "\x1b[m"}
}

func (p *page) text(s string) { p.WriteString(s) }

func (p *page) heading(s string) { p.WriteString("\n" + p.bold + s + p.plain + "\n") }

// row prints a name and what it means, at a column that fits all names of its table.
func (p *page) row(name, meaning string, width int) {
	p.WriteString("  " + name + strings.Repeat(" ", max(0, width-len(name))+2) + meaning + "\n")
}

// flags prints the options that are not hidden, in the order of their definition.
func (p *page) flags(flags []cli.Flag) {
	type row struct{ names, usage string }
	var rows []row
	width := 0
	for _, f := range flags {
		if v, ok := f.(cli.VisibleFlag); !ok || !v.IsVisible() {
			continue
		}
		usage, placeholder := "", ""
		if d, ok := f.(cli.DocGenerationFlag); ok {
			usage, placeholder = unquote(d.GetUsage())
		}
		r := row{flagNames(f.Names(), placeholder), usage}
		width = max(width, len(r.names))
		rows = append(rows, r)
	}
	for _, r := range rows {
		p.row(r.names, r.usage, width)
	}
}

// flagNames is "-b, --bundle DIR"; the long names of all options stand below each other.
func flagNames(names []string, placeholder string) string {
	s := "    "
	if len(names) > 1 {
		s = "-" + names[1] + ", "
	}
	s += "--" + names[0]
	if placeholder != "" {
		s += " " + placeholder
	}
	return s
}

// unquote takes the backquotes off the placeholder in an option's description.
func unquote(usage string) (text, placeholder string) {
	before, rest, ok := strings.Cut(usage, "`")
	if !ok {
		return usage, ""
	}
	placeholder, after, _ := strings.Cut(rest, "`")
	return before + placeholder + after, placeholder
}

func indent(s string) string {
	return "  " + strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "\n  ") + "\n"
}
