package pallet

import (
	"fmt"
	"regexp"
	"strings"

	"golang.org/x/mod/semver"
)

// Lock is the version of a pallet or a repository that another pallet requires: a commit, and what makes it readable.
type Lock struct {
	Type      string `yaml:"type" json:"type"`                   // LockVersion or LockPseudoversion
	Tag       string `yaml:"tag,omitempty" json:"tag,omitempty"` // on the commit or before it
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

// Version is the version in one word: the tag, or what Go calls a pseudo-version
// (https://go.dev/ref/mod#pseudo-versions).
func (l Lock) Version() string {
	base, build, _ := strings.Cut(l.Tag, "+")
	_ = build
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

// nextPatch is the version after a release.
func nextPatch(version string) string {
	var major, minor, patch int64
	if _, err := fmt.Sscanf(version, "v%d.%d.%d", &major, &minor, &patch); err != nil {
		return version
	}
	return fmt.Sprintf("v%d.%d.%d", major, minor, patch+1)
}

// mistake is the first thing wrong with a lock, and with which key of it.
func (l Lock) mistake() (key, text string) {
	switch {
	case l.Type != LockVersion && l.Type != LockPseudoversion:
		return "type", fmt.Sprintf("unknown type %q; known are %s, %s", l.Type, LockVersion, LockPseudoversion)
	case !commitPattern.MatchString(l.Commit):
		return "commit", fmt.Sprintf("commit %q is not 40 hexadecimal digits", l.Commit)
	case !timestampPattern.MatchString(l.Timestamp):
		return "timestamp", fmt.Sprintf("timestamp %q is not 14 digits", l.Timestamp)
	case l.Type == LockVersion && l.Tag == "":
		return "type", "a version needs a tag"
	case l.Tag != "" && !canonical(l.Tag):
		return "tag", fmt.Sprintf("tag %q is not a version such as v1.2.3", l.Tag)
	}
	return "", ""
}

// canonical reports whether a tag is a version with all its three numbers.
func canonical(tag string) bool {
	plain, _, _ := strings.Cut(tag, "+")
	return semver.Canonical(tag) == plain && plain != ""
}
