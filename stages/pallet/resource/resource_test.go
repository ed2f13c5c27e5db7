package resource

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

type at string

func (a at) String() string { return string(a) }

func service(deployment string, paths ...string) Resource {
	return Resource{Kind: Service, Deployment: deployment, Position: at(deployment + ":1:1"), Port: 80, Protocol: "http", Paths: paths}
}

// TestPaths checks the rules for paths.
func TestPaths(t *testing.T) {
	for _, c := range []struct {
		a, b     string
		conflict bool
	}{
		{"/a", "/a", true}, {"/a", "/b", false}, {"/a", "/a/b", false}, {"/a/*", "/a", false}, {"/a*", "/a", true},
		{"/a/*", "/a/", true}, {"/a/*", "/a/b/*", true}, {"/*", "/anything", true}, {"*", "x", true}, {"/a/*", "/b/*", false},
		{"/a/*", "/a/*", true}, {"", "", true}, {"/a*b", "/aab", false},
	} {
		for _, swapped := range []bool{false, true} {
			a, b := service("a", c.a), service("b", c.b)
			if swapped {
				a, b = service("a", c.b), service("b", c.a)
			}
			require.Equal(t, c.conflict, len(Conflicts([]Resource{a, b}, 9)) > 0, "%s and %s", c.a, c.b)
		}
	}
}

func TestConflictsAreOfDifferentDeploymentsAndLimited(t *testing.T) {
	require.Empty(t, Conflicts([]Resource{service("a"), service("a")}, 9))
	var many []Resource
	for i := range 100 {
		many = append(many, service(fmt.Sprint(i)))
	}
	require.Len(t, Conflicts(many, 9), 9)
	require.Len(t, Conflicts(many, 9999), 100*99/2)
}

func TestExportsOnEachOther(t *testing.T) {
	export := func(deployment, target string) Resource {
		return Resource{Kind: FileExport, Deployment: deployment, Position: at(deployment), Name: target}
	}
	for _, c := range []struct {
		a, b, reason string
	}{
		{"x/y", "x/y", "same path 'x/y'"}, {"x", "x/y/z", "overlapping paths 'x' and 'x/y/z'"}, {"x/yz", "x/y", ""},
		{"/x", "x", ""}, {"/x", "/x/y", "overlapping paths '/x' and '/x/y'"}, {"../x", "x", ""}, {"x", "./x", ""},
	} {
		found := Conflicts([]Resource{export("a", c.a), export("b", c.b)}, 9)
		if c.reason == "" {
			require.Empty(t, found, "%s and %s", c.a, c.b)
			continue
		}
		require.Len(t, found, 1)
		require.Equal(t, []string{c.reason}, found[0].Reasons)
	}
}

func TestMatch(t *testing.T) {
	provided := []Resource{service("p", "/a/*"), service("q", "/b")}
	met, missing := Match([]Resource{service("r", "/a/x", "/b", "/c")}, provided)
	require.Len(t, met, 2)
	require.Equal(t, []string{"p", "q"}, []string{met[0].Provided.Deployment, met[1].Provided.Deployment})
	require.Len(t, missing, 1)
	require.Equal(t, "r:1:1: deployment r requires service 80/http at /c, which no deployment provides; "+
		"deployment p provides service 80/http at /a/* (p:1:1); deployment q provides service 80/http at /b (q:1:1)", missing[0].String())
	met, missing = Match([]Resource{service("r")}, provided)
	require.Empty(t, missing)
	require.Equal(t, "p", met[0].Provided.Deployment, "the first of several")
}

func TestOrder(t *testing.T) {
	edge := func(from, to string, nonblocking bool) Edge {
		return Edge{Resource{Deployment: from, Nonblocking: nonblocking}, Resource{Deployment: to}}
	}
	o := NewOrder([]string{"a", "b", "c"}, []Edge{
		edge("a", "b", false), edge("a", "b", false), edge("a", "c", true), edge("b", "b", false), edge("c", "x", false), edge("b", "c", false),
	})
	require.Equal(t, Order{"a": {"b"}, "b": {"c"}, "c": nil}, o)
	require.Nil(t, o.Cycle())
	require.Equal(t, [][]string{{"c"}, {"b"}, {"a"}}, o.Waves())

	o = NewOrder([]string{"a", "b", "c", "d"}, []Edge{edge("b", "c", false), edge("c", "b", false), edge("a", "b", false)})
	require.Equal(t, []string{"b", "c"}, o.Cycle())
	require.Equal(t, [][]string{{"d"}, {"a", "b", "c"}}, o.Waves())
}

// FuzzConflicts compares the conflicts of two services with those of their reverse and with a simple rule.
func FuzzConflicts(f *testing.F) {
	f.Add("/a /b/*", "/b/c")
	f.Add("", "/*")
	f.Add("* ** ***", "*")
	f.Fuzz(func(t *testing.T, as, bs string) {
		a, b := service("a", strings.Fields(as)...), service("b", strings.Fields(bs)...)
		found := Conflicts([]Resource{a, b}, 9)
		a.Deployment, b.Deployment = "b", "a"
		require.Len(t, Conflicts([]Resource{a, b}, 9), len(found))
		if len(found) == 0 {
			for _, path := range b.Paths {
				required := service("r", path)
				_, missing := Match([]Resource{required}, []Resource{a})
				require.NotEmpty(t, missing, "what both could serve is a conflict")
			}
		}
	})
}
