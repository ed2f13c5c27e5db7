package debian

import (
	"slices"
	"strings"
)

// Slim makes a base smaller for containers: it has only essential packages, and no documentation or translations but those
// that the fields keep. Dpkg in the tree is configured to leave out the same files of packages that are installed later.
type Slim struct {
	Docs    bool     `json:"docs,omitempty"`    // documentation is kept; licences are in any case
	Locales []string `json:"locales,omitempty"` // whose translations are kept
}

// docDirs are the directories of documentation.
var docDirs = []string{
	"usr/share/doc", "usr/share/doc-base", "usr/share/groff", "usr/share/gtk-doc", "usr/share/help", "usr/share/info",
	"usr/share/lintian", "usr/share/man",
}

const (
	localeDir   = "usr/share/locale"
	localeAlias = "locale.alias" // a file of that directory that belongs to no language
	licence     = "copyright"
	slimFile    = "etc/dpkg/dpkg.cfg.d/slim"
)

// base returns patterns of the packages that every base has: essential ones, and apt and the keys, with which further
// packages are installed.
func (s *Slim) base() []string {
	if s == nil {
		return []string{"?essential", "?priority(required)", "apt"}
	}
	return []string{"?essential", "debian-archive-keyring"}
}

// drops reports whether a file or directory of a package is left out.
func (s *Slim) drops(name string) bool {
	if s == nil {
		return false
	}
	if rest, ok := strings.CutPrefix(name, localeDir+"/"); ok {
		language, _, _ := strings.Cut(rest, "/")
		return language != localeAlias && !slices.ContainsFunc(s.Locales, func(kept string) bool {
			return language == kept || strings.HasPrefix(language, kept+"_") || strings.HasPrefix(language, kept+"@")
		})
	}
	if s.Docs {
		return false
	}
	if rest, ok := strings.CutPrefix(name, docDirs[0]+"/"); ok {
		_, file, below := strings.Cut(rest, "/")
		return below && file != licence // the directory of a package may be a symlink to that of another one
	}
	return slices.ContainsFunc(docDirs, func(dir string) bool { return strings.HasPrefix(name, dir+"/") })
}

// config returns the same rules for dpkg: dpkg.cfg(5), where * matches slashes, too.
func (s *Slim) config() string {
	var out strings.Builder
	rule := func(what, pattern string) { out.WriteString("path-" + what + " /" + pattern + "\n") }
	if !s.Docs {
		for _, dir := range docDirs {
			rule("exclude", dir+"/*")
		}
		rule("include", docDirs[0]+"/*/"+licence)
	}
	rule("exclude", localeDir+"/*")
	rule("include", localeDir+"/"+localeAlias)
	for _, kept := range s.Locales {
		for _, end := range []string{"", "_*", "@*"} {
			rule("include", localeDir+"/"+kept+end+"/*")
		}
	}
	return out.String()
}
