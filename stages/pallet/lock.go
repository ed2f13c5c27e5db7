package pallet

import (
	"fmt"
	"regexp"
	"strings"

	"golang.org/x/mod/semver"
)

// Lock is the version of a required pallet or repository: a Git commit with its tag or timestamp.
type Lock struct {
	Type      string `yaml:"type" json:"type"`                   // LockVersion or LockPseudoversion
	Tag       string `yaml:"tag,omitempty" json:"tag,omitempty"` // of the commit or its nearest tagged ancestor
	Timestamp string `yaml:"timestamp" json:"timestamp"`         // of the commit: 14 digits, in UTC
	Commit    string `yaml:"commit" json:"commit"`               // 40 hexadecimal digits
}

// The types of locks.
const (
	LockVersion       = "version"       // the tag is on the commit
	LockPseudoversion = "pseudoversion" // the tag, if any, is on an ancestor of the commit
)

var (
	commitPattern    = regexp.MustCompile(`^[0-9a-f]{40}$`)
	timestampPattern = regexp.MustCompile(`^[0-9]{14}$`)
)

// Version returns the tag of the locked commit or, without one, a pseudo-version as in Go modules
// (https://go.dev/ref/mod#pseudo-versions).
func (l Lock) Version() string {
	base, _, _ := strings.Cut(l.Tag, "+")
	suffix := l.Timestamp + "-" + l.Commit[:min(12, len(l.Commit))]
	switch {
	case l.Type == LockVersion:
		return l.Tag
	case l.Tag == "":
		return "v0.0.0-" + suffix
	case semver.Prerelease(l.Tag) != "":
		return base + ".0." + suffix
	}
	return nextPatch(base) + "-0." + suffix
}

// nextPatch returns a version with its patch number increased by one.
func nextPatch(version string) string {
	var major, minor, patch int64
	if _, err := fmt.Sscanf(version, "v%d.%d.%d", &major, &minor, &patch); err != nil {
		return version
	}
	return fmt.Sprintf("v%d.%d.%d", major, minor, patch+1)
}

// mistake returns the first mistake of a lock and its key; both are "" if there is none.
func (l Lock) mistake() (key, text string) {
	switch {
	case l.Type != LockVersion && l.Type != LockPseudoversion:
		return "type", fmt.Sprintf("type %q is unknown, want %s or %s", l.Type, LockVersion, LockPseudoversion)
	case !commitPattern.MatchString(l.Commit):
		return "commit", fmt.Sprintf("commit %q is invalid, want 40 hexadecimal digits", l.Commit)
	case !timestampPattern.MatchString(l.Timestamp):
		return "timestamp", fmt.Sprintf("timestamp %q is invalid, want 14 digits", l.Timestamp)
	case l.Type == LockVersion && l.Tag == "":
		return "type", fmt.Sprintf("lock of type %s has no tag", LockVersion)
	case l.Tag != "" && !canonical(l.Tag):
		return "tag", fmt.Sprintf("tag %q is not a version such as v1.2.3", l.Tag)
	}
	return "", ""
}

// canonical reports whether a tag is a semantic version with all three numbers.
func canonical(tag string) bool {
	plain, _, _ := strings.Cut(tag, "+")
	return semver.Canonical(tag) == plain && plain != ""
}
