package debian

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/PlanktoScope/pkbuild/internal/spelling"
)

// complaint returns the error messages in apt's output, without its progress messages.
func complaint(err error, output string) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	var said []string
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		for _, mark := range []string{"E: ", "W: "} {
			if text, ok := strings.CutPrefix(line, mark); ok && !slices.Contains(said, text) {
				said = append(said, text)
			}
		}
	}
	if len(said) == 0 {
		return err
	}
	return errors.New(strings.Join(said, "; "))
}

var (
	unknownPackage = regexp.MustCompile(`^E: (?:Unable to locate package|Couldn't find any package by \S+) '?([^ '\n]+)'?`)
	noCandidate    = regexp.MustCompile(`^E: Package '([^']+)' has no installation candidate`)
)

// explain returns why packages cannot be installed: unknown names, with the nearest known ones, or unmet dependencies.
func (a apt) explain(ctx context.Context, err error, output string) error {
	var unknown []string
	for line := range strings.Lines(output) {
		for _, pattern := range []*regexp.Regexp{unknownPackage, noCandidate} {
			if m := pattern.FindStringSubmatch(line); m != nil && !slices.Contains(unknown, m[1]) {
				unknown = append(unknown, m[1])
			}
		}
	}
	if len(unknown) > 0 {
		return a.unknown(ctx, unknown)
	}
	if _, unmet, ok := strings.Cut(output, "The following packages have unmet dependencies:\n"); ok {
		unmet, _, _ = strings.Cut(unmet, "E: ")
		return fmt.Errorf("unmet dependencies:\n%s%s", strings.TrimRight(unmet, "\n"), conflictRemedy(unmet))
	}
	if strings.Contains(output, "remove is disabled") {
		return fmt.Errorf("packages conflict with packages of a layer below, which would have to be removed: %s; "+
			"remove these from the recipe, or the packages that conflict with them", strings.Join(removed(output), ", "))
	}
	return complaint(err, output)
}

var conflict = regexp.MustCompile(`(?m)^ (\S+) : Conflicts: `)

// conflictRemedy returns how to resolve a conflict of packages, "" if there is none.
func conflictRemedy(unmet string) string {
	var names []string
	for _, m := range conflict.FindAllStringSubmatch(unmet, -1) {
		names = append(names, m[1])
	}
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf("\nkeep one of the packages that conflict; one of an included recipe is left out with remove: {packages: [%s]}", names[len(names)-1])
}

// removed returns the packages that apt would remove.
func removed(output string) []string {
	_, list, _ := strings.Cut(output, "The following packages will be REMOVED:\n")
	var out []string
	for line := range strings.Lines(list) {
		if !strings.HasPrefix(line, " ") {
			break
		}
		out = append(out, strings.Fields(line)...)
	}
	return out
}

func (a apt) unknown(ctx context.Context, names []string) error {
	known, err := a.listed()
	if err != nil {
		return fmt.Errorf("list the known packages: %w", err)
	}
	var errs []error
	for _, name := range names {
		reason, err := a.unavailable(ctx, name, known)
		if err != nil {
			return err
		}
		errs = append(errs, errors.New(reason))
	}
	return errors.Join(errs...)
}

// unavailable returns why a package cannot be installed: it exists only for another architecture, is virtual, or is
// unknown; then with the nearest name of one that can be installed.
func (a apt) unavailable(ctx context.Context, name string, known map[string][]string) (string, error) {
	if others := known[name]; len(others) > 0 && !a.installs(others) {
		return fmt.Sprintf("package %s is in %s for %s only, not for %s", name, a.describe(), strings.Join(others, " and "), a.architecture), nil
	}
	providers, err := a.providers(ctx, name)
	if err != nil {
		return "", err
	}
	if len(providers) > 0 {
		return fmt.Sprintf("package %s is virtual; write one that provides it: %s", name, strings.Join(providers, ", ")), nil
	}
	var installable []string
	for other, architectures := range known {
		if a.installs(architectures) && other != name {
			installable = append(installable, other)
		}
	}
	slices.Sort(installable)
	hint := ""
	if near := spelling.Nearest(name, installable); near != "" {
		hint = fmt.Sprintf("; did you mean %s?", near)
	}
	return fmt.Sprintf("there is no package %s in %s%s", name, a.describe(), hint), nil
}

// installs reports whether packages of one of some architectures can be installed.
func (a apt) installs(architectures []string) bool {
	return slices.Contains(architectures, a.architecture) || slices.Contains(architectures, "all")
}

// listed returns the packages in the package lists, with the architectures that each is for in alphabetical order.
func (a apt) listed() (map[string][]string, error) {
	lists, err := filepath.Glob(filepath.Join(a.dir, "var/lib/apt/lists/*_Packages"))
	if err != nil {
		return nil, err
	}
	out := map[string][]string{}
	for _, list := range lists {
		data, err := os.ReadFile(list)
		if err != nil {
			return nil, err
		}
		name := ""
		for line := range strings.Lines(string(data)) {
			if value, ok := strings.CutPrefix(line, "Package: "); ok {
				name = strings.TrimSpace(value)
			}
			if value, ok := strings.CutPrefix(line, "Architecture: "); ok && !slices.Contains(out[name], strings.TrimSpace(value)) {
				out[name] = append(out[name], strings.TrimSpace(value))
			}
		}
	}
	for _, architectures := range out {
		slices.Sort(architectures)
	}
	return out, nil
}

// providers returns the packages that provide a virtual package.
func (a apt) providers(ctx context.Context, name string) ([]string, error) {
	output, err := a.run(ctx, "apt-cache", "showpkg", name)
	if err != nil {
		return nil, fmt.Errorf("list the providers of %s: %w", name, complaint(err, output))
	}
	_, list, _ := strings.Cut(output, "Reverse Provides: \n")
	var out []string
	for line := range strings.Lines(list) {
		if f := strings.Fields(line); len(f) > 0 && !slices.Contains(out, f[0]) {
			out = append(out, f[0])
		}
	}
	slices.Sort(out)
	return out, nil
}

// remedies are the remedies for apt's messages about a repository.
var remedies = []struct {
	said *regexp.Regexp
	todo string
}{
	{regexp.MustCompile(`No space left on device`), "make room, for example by pkbuild cache prune --keep-bytes 1GiB"},
	{regexp.MustCompile(`EXPKEYSIG`), "its key has expired: get the current one from who runs it"},
	{regexp.MustCompile(`NO_PUBKEY|Unknown error executing apt-key|Missing key`), "it is signed with a key that is not among those named for it: get its key from who runs it"},
	{regexp.MustCompile(`is expired|EXPSIG`), "the mirror is out of date, or this machine's clock is wrong: use another mirror"},
	{regexp.MustCompile(`not valid yet`), "is this machine's clock right?"},
	{regexp.MustCompile(`BADSIG|is not signed|NODATA`), "it was changed after it was signed, or never signed: use another mirror"},
	{regexp.MustCompile(`Hash Sum mismatch|unexpected size`), "the mirror is broken or being updated: try again later, or use another one"},
	{regexp.MustCompile(`does not have a Release file`), "are its URL and suite right?"},
	{regexp.MustCompile(`connect|resolve|timed out|Connection`), "is it up? PKBUILD_MIRROR or the recipe's mirror names another one"},
}

// blame returns which repositories' package lists cannot be read, why, and the remedy.
func (a apt) blame(err error, output string) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	said := complaint(err, output).Error()
	var at []string
	for _, r := range a.repositories {
		if r.in(output) || len(a.repositories) == 1 {
			at = append(at, r.String())
		}
	}
	if len(at) == 0 {
		at = []string{a.describe()}
	}
	for _, r := range remedies {
		if r.said.MatchString(output) {
			said += "\n" + r.todo
			break
		}
	}
	return fmt.Errorf("read the package lists of %s: %s", strings.Join(at, " and "), said)
}

// in reports whether a message of apt is about the repository.
func (r Repository) in(output string) bool {
	for line := range strings.Lines(output) {
		for _, uri := range r.URIs {
			if (strings.HasPrefix(line, "E: ") || strings.HasPrefix(line, "W: ")) && strings.Contains(line, strings.TrimSuffix(uri, "/")) {
				return true
			}
		}
	}
	return false
}

func (r Repository) String() string {
	return fmt.Sprintf("%s (%s %s)", r.Name, strings.Join(r.URIs, " "), strings.Join(r.Suites, " "))
}

// describe returns the suites in which packages are searched.
func (a apt) describe() string {
	var out []string
	if a.base != nil {
		out = append(out, "the base's sources")
	}
	for _, r := range a.repositories {
		text := strings.Join(r.Suites, " ")
		if len(r.Components) > 0 {
			text += " (" + strings.Join(r.Components, ", ") + ")"
		}
		out = append(out, text)
	}
	return strings.Join(out, " and ")
}
