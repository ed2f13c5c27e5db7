package debian

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// complaint is what apt had to say about an error, without its report of what went well.
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

// explain says why packages cannot be installed: names that the archive does not have, with the nearest ones, or
// dependencies that nothing satisfies.
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
		return fmt.Errorf("unmet dependencies:\n%s", strings.TrimRight(unmet, "\n"))
	}
	return complaint(err, output)
}

func (a apt) unknown(ctx context.Context, names []string) error {
	known, err := a.run(ctx, "apt-cache", "pkgnames")
	if err != nil {
		return fmt.Errorf("list the known packages: %w", err)
	}
	var errs []error
	for _, name := range names {
		hint := ""
		if near := nearest(name, strings.Fields(known)); near != "" {
			hint = fmt.Sprintf("; did you mean %s?", near)
		}
		errs = append(errs, fmt.Errorf("%s (%s) has no package %s%s",
			a.archive.suite, strings.Join(a.archive.components, ", "), name, hint))
	}
	return errors.Join(errs...)
}

// nearest is the name that the fewest edits lead to, at most a third of its letters; the first of several in
// alphabetical order.
func nearest(name string, known []string) string {
	best, distance := "", len(name)/3+1
	for _, k := range known {
		if d := edits(name, k, distance); d < distance || d == distance && best != "" && k < best {
			best, distance = k, d
		}
	}
	return best
}

// edits is Levenshtein's distance between two names, or limit+1 where it is certain to be more.
func edits(a, b string, limit int) int {
	if len(a)-len(b) > limit || len(b)-len(a) > limit {
		return limit + 1
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		previous := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := previous
			if a[i] != b[j] {
				cost++
			}
			previous = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
