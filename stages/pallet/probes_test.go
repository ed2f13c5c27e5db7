package pallet

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// probe is Forklift's verdict on a pallet with two deployments, a and b.
type probe struct{ question, title, a, b, verdict, reason string }

func probes(t *testing.T) []probe {
	t.Helper()
	var all []probe
	for l := range strings.Lines(goldenText(t, "golden/check-probes.tsv")) {
		f := strings.Split(strings.TrimSuffix(l, "\n"), "\t")
		require.Len(t, f, 6)
		all = append(all, probe{f[0], f[1], f[2], f[3], f[4], f[5]})
	}
	return all
}

// lists maps titles of probes to the kinds of their resources, which some titles do not mention.
var lists = map[string]string{
	"same port+proto":                                "listeners",
	"protocol string is free-form":                   "listeners",
	"network same name":                              "networks",
	"both no paths, different tags":                  "services",
	"equal exact path":                               "services",
	"exact /a vs prefix /a/*":                        "services",
	"prefix /a* vs /ab":                              "services",
	"different protocol":                             "services",
	"fileset exact dir vs child (no star)":           "filesets",
	"fileset empty paths":                            "filesets",
	"network missing":                                "networks",
	"service with path vs provider without paths":    "services",
	"service prefix required, same prefix provided":  "services",
	"service prefix required, exact provided":        "services",
	"paths split over two providers":                 "services",
	"tags missing":                                   "services",
	"nonblocking still must be satisfied":            "services",
	"fileset child required, dir (no star) provided": "filesets",
}

// declares returns a package and a deployment of the same name.
func declares(name, declaration string) string {
	return fmt.Sprintf("-- deployments/%s.deploy.yml --\npackage: /packages/%s\n"+
		"-- packages/%s/forklift-package.yml --\n%s\n-- packages/%s/x --\n", name, name, name, declaration, name)
}

func provides(list, resources string) string {
	return "deployment: {provides: {" + list + ": " + resources + "}}"
}

// pallet returns the pallet of the probe.
func (p probe) pallet(t *testing.T) string {
	t.Helper()
	const nothing = "-- deployments/a.deploy.yml --\n-\n"
	switch {
	case strings.HasPrefix(p.title, "file-export"):
		of := func(target string) string {
			return provides("file-exports", fmt.Sprintf("[{description: x, source: x, target: %q}]", target))
		}
		return declares("a", of(p.a)) + declares("b", of(p.b))
	case strings.HasPrefix(p.title, "host.provides"):
		const ssh = "[{description: x, port: 22, protocol: tcp}]"
		return declares("a", "host: {provides: {listeners: "+ssh+"}}") + declares("b", provides("listeners", ssh))
	case p.title == "same package deployed twice":
		return declares("a", provides("networks", "[{description: x, name: a}]")) +
			"-- deployments/b.deploy.yml --\npackage: /packages/a\n"
	case p.title == "requirement satisfied by the deployment itself":
		const n = "{networks: [{description: x, name: n}]}"
		return declares("a", "deployment: {requires: "+n+", provides: "+n+"}")
	case p.title == "unknown feature flag":
		return declares("a", "") + "-- deployments/a.deploy.yml --\npackage: /packages/a\nfeatures: [x]\n"
	case p.title == "disabled deployment of a missing package":
		return "-- deployments/a.deploy.yml --\npackage: /packages/missing\ndisabled: true\n"
	case p.question == "conflict?":
		return declares("a", provides(lists[p.title], p.a)) + declares("b", provides(lists[p.title], p.b))
	}
	files := nothing + declares("z", "deployment: {requires: {"+lists[p.title]+": "+p.a+"}}")
	var providers []json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(p.b), &providers))
	for i, resources := range providers {
		files += declares(fmt.Sprint("p", i), provides(lists[p.title], string(resources)))
	}
	return files
}

// TestProbes compares Check with Forklift's verdicts. A target outside of the bundle is an error here, unlike in Forklift.
func TestProbes(t *testing.T) {
	leaves := map[string]string{
		"file-export leading slash differs": `export target "/overlays/etc/x" is absolute`,
		"file-export escaping ../":          `export target "../evil" contains ".."`,
	}
	asked := map[string]int{}
	for _, p := range probes(t) {
		asked[p.verdict]++
		t.Run(p.title, func(t *testing.T) {
			dir := write(t, sound, p.pallet(t))
			l := Reader{}.loader(t.Context())
			v, err := scan(l.roots, dir)
			require.NoError(t, err)
			read := l.pallet(v)
			require.NoError(t, l.roots.close())
			if text, ok := leaves[p.title]; ok {
				require.ErrorContains(t, l.mistakes.err(), text)
				l.mistakes = nil
			}
			if p.verdict == "error" {
				require.Error(t, l.mistakes.err())
				return
			}
			require.NoError(t, l.mistakes.err())
			r := read.Check()
			require.Equal(t, p.verdict == "CONFLICT", len(r.Conflicts) > 0, "%v", r.Conflicts)
			require.Equal(t, p.verdict == "MISSING", len(r.Missing) > 0, "%v", r.Missing)
			if reason, ok := strings.CutPrefix(p.reason, "- "); ok {
				require.Equal(t, []string{reason}, r.Conflicts[0].Reasons)
			}
		})
	}
	require.Equal(t, map[string]int{"CONFLICT": 9, "MISSING": 6, "error": 1, "ok": 7, "satisfied": 3}, asked)
}

// TestReport checks the positions and the counts in a report.
func TestReport(t *testing.T) {
	dir := write(t, sound, declares("b", `
deployment:
  requires:
    services:
      - {port: 80, protocol: http, paths: [/x, /y], tags: [t]}
  provides:
    listeners:
      - {port: 80, protocol: tcp}`)+declares("c", `
deployment:
  provides:
    listeners:
      - {port: 80, protocol: tcp}
    services:
      - {port: 80, protocol: http, paths: [/x/*, /y]}`))
	p, err := Read(dir)
	require.NoError(t, err)
	err = p.Check().Err()
	require.EqualError(t, err, strings.ReplaceAll(
		"P/b/forklift-package.yml:8:10: listener 80/tcp of deployment b conflicts with listener 80/tcp of deployment c "+
			"(P/c/forklift-package.yml:5:10): same port/protocol '80/tcp'\n"+
			"P/b/forklift-package.yml:5:10: deployment b requires service 80/http at /x tagged t, which no deployment "+
			"provides; deployment c provides service 80/http at /x/*, /y (P/c/forklift-package.yml:7:10)\n"+
			"P/b/forklift-package.yml:5:10: deployment b requires service 80/http at /y tagged t, which no deployment "+
			"provides; deployment c provides service 80/http at /x/*, /y (P/c/forklift-package.yml:7:10)\n"+
			"resource constraint checks failed (1 conflicts, 1 missing dependencies)", "P", dir+"/packages"))
}
