package pallets

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/stages/pallet"
)

// listing describes a command that prints a list.
type listing struct {
	name, alias, short string
	of                 func(cmd *cobra.Command, p *pallet.Pallet) ([]string, error)
}

func listCommands(w *Flags) []*cobra.Command {
	names := func(of func(p *pallet.Pallet) []string) func(*cobra.Command, *pallet.Pallet) ([]string, error) {
		return func(_ *cobra.Command, p *pallet.Pallet) ([]string, error) { return of(p), nil }
	}
	var all []*cobra.Command
	for _, l := range []listing{
		{"ls-depl", "ls-deployments", "List the deployments", names((*pallet.Pallet).DeploymentNames)},
		{"ls-feat", "ls-features", "List the features that the pallet offers to others", names((*pallet.Pallet).FeatureNames)},
		{"ls-pkg", "ls-packages", "List the packages", names((*pallet.Pallet).PackagePaths)},
		{"ls-file", "ls-files", "List all files, with those from required pallets", names((*pallet.Pallet).Files)},
		{"ls-dl", "ls-downloads", "List what exports download", names((*pallet.Pallet).Downloads)},
		{"ls-img", "ls-images", "List the container images of the deployments",
			func(cmd *cobra.Command, p *pallet.Pallet) ([]string, error) { return p.Images(cmd.Context()) }},
		{"ls-plt", "ls-pallets", "List the required pallets", names(func(p *pallet.Pallet) []string {
			pallets, _ := p.Requirements()
			return versions(pallets)
		})},
		{"ls-repo", "ls-repositories", "List the required repositories", names(func(p *pallet.Pallet) []string {
			_, repositories := p.Requirements()
			return versions(repositories)
		})},
	} {
		all = append(all, listCommand(w, l))
	}
	return append(all, showDeploymentCommand(w), locateCommand(w))
}

// versions returns the requirements as PATH@VERSION.
func versions(required []pallet.Requirement) []string {
	all := []string{}
	for _, r := range required {
		all = append(all, r.Path+"@"+r.Lock.Version())
	}
	return all
}

func listCommand(w *Flags, l listing) *cobra.Command {
	return &cobra.Command{
		Use:     l.name,
		Aliases: []string{l.alias},
		Short:   l.short,
		Args:    cli.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := w.read(cmd)
			if err != nil {
				return err
			}
			list, err := l.of(cmd, p)
			if err != nil {
				return err
			}
			return cli.Print(cmd, append([]string{}, list...), func(out io.Writer) error { return printLines(out, list) })
		},
	}
}

func printLines(out io.Writer, lines []string) error {
	for _, line := range lines {
		if _, err := fmt.Fprintln(out, line); err != nil {
			return err
		}
	}
	return nil
}

// about describes a pallet.
type about struct {
	Path         string               `json:"path"`
	Description  string               `json:"description"`
	Directory    string               `json:"directory"`
	Pallets      []pallet.Requirement `json:"pallets"`
	Repositories []pallet.Requirement `json:"repositories"`
	Deployments  []deploymentAbout    `json:"deployments"`
	Features     []string             `json:"features"`
}

// deploymentAbout describes a deployment.
type deploymentAbout struct {
	Name     string              `json:"name"`
	Package  string              `json:"package,omitempty"`
	Features []string            `json:"features,omitempty"`
	Offered  map[string]string   `json:"offered,omitempty"` // descriptions of the package's features
	Disabled bool                `json:"disabled,omitempty"`
	Compose  []string            `json:"composeFiles,omitempty"`
	About    *pallet.Information `json:"about,omitempty"`
}

func aboutDeployment(d *pallet.Deployment) deploymentAbout {
	a := deploymentAbout{Name: d.Name, Features: d.Features, Disabled: d.Disabled}
	if d.Package == nil {
		return a
	}
	a.Package, a.About, a.Compose = d.Package.Path, &d.Package.Information, d.ComposeFiles()
	a.Offered = map[string]string{}
	for name, f := range d.Package.Features {
		a.Offered[name] = f.Description
	}
	return a
}

func showCommand(w *Flags) *cobra.Command {
	return &cobra.Command{
		Use:   "show",
		Short: "Show the pallet and its deployments",
		Args:  cli.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := w.read(cmd)
			if err != nil {
				return err
			}
			a := about{Path: p.Path, Description: p.Description, Directory: p.Dir, Deployments: []deploymentAbout{}}
			pallets, repositories := p.Requirements()
			a.Pallets = append([]pallet.Requirement{}, pallets...)
			a.Repositories = append([]pallet.Requirement{}, repositories...)
			a.Features = append([]string{}, p.FeatureNames()...)
			for _, d := range p.Deployments {
				a.Deployments = append(a.Deployments, aboutDeployment(d))
			}
			return cli.Print(cmd, a, a.print)
		},
	}
}

func (a about) print(out io.Writer) error {
	text := fmt.Sprintf("pallet       %s\ndescription  %s\n", a.Path, a.Description)
	for _, r := range slices.Concat(versions(a.Pallets), versions(a.Repositories)) {
		text += "requires     " + r + "\n"
	}
	text += "\n"
	for _, d := range a.Deployments {
		text += d.line()
	}
	_, err := io.WriteString(out, text)
	return err
}

func (d deploymentAbout) line() string {
	if d.Disabled {
		return d.Name + " (disabled)\n"
	}
	text := fmt.Sprintf("%s  %s", d.Name, d.Package)
	if len(d.Features) > 0 {
		text += " [" + strings.Join(d.Features, ", ") + "]"
	}
	return text + "\n"
}

func showDeploymentCommand(w *Flags) *cobra.Command {
	return &cobra.Command{
		Use:               "show-depl DEPLOYMENT",
		Aliases:           []string{"show-deployment"},
		Short:             "Show a deployment and the features of its package",
		Args:              cli.Exactly("DEPLOYMENT"),
		ValidArgsFunction: w.completeDeployments,
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := w.read(cmd)
			if err != nil {
				return err
			}
			i := slices.IndexFunc(p.Deployments, func(d *pallet.Deployment) bool { return d.Name == args[0] })
			if i < 0 {
				return fmt.Errorf("pallet %s has no deployment %q; list them with %s pallet ls-depl", p.Path, args[0], w.program)
			}
			a := aboutDeployment(p.Deployments[i])
			return cli.Print(cmd, a, a.print)
		},
	}
}

func (d deploymentAbout) print(out io.Writer) error {
	text := d.line()
	if d.About != nil {
		text += d.About.Description + "\n"
	}
	for _, name := range slices.Sorted(maps.Keys(d.Offered)) {
		mark := " "
		if slices.Contains(d.Features, name) {
			mark = "*"
		}
		text += fmt.Sprintf("%s %s  %s\n", mark, name, d.Offered[name])
	}
	_, err := io.WriteString(out, text)
	return err
}

func locateCommand(w *Flags) *cobra.Command {
	return &cobra.Command{
		Use:   "locate-file FILE",
		Short: "Show where a file of the pallet lies, and from which pallet it is",
		Args:  cli.Exactly("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := w.read(cmd)
			if err != nil {
				return err
			}
			name := strings.TrimPrefix(args[0], "/")
			if !slices.Contains(p.Files(), name) {
				return fmt.Errorf("pallet %s has no file %s", p.Path, name)
			}
			text := p.Location(name) + "\n"
			for _, origin := range p.Origin(name) {
				text += "from " + origin + "\n"
			}
			result := map[string]any{"file": p.Location(name), "from": append([]string{}, p.Origin(name)...)}
			return cli.Printf(cmd, result, "%s", text)
		},
	}
}
