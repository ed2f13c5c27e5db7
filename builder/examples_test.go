package builder

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/builder/lock"
	"github.com/PlanktoScope/pkbuild/layers/debian"
	"github.com/PlanktoScope/pkbuild/recipes"
)

// example is a YAML block of the documentation.
type example struct{ file, text string }

var yamlBlock = regexp.MustCompile("(?ms)^( *)```yaml\n(.*?)^ *```$")

// examples returns all YAML blocks of README.md and docs.
func examples(t *testing.T) []example {
	t.Helper()
	files, err := filepath.Glob("../docs/*.md")
	require.NoError(t, err)
	more, err := filepath.Glob("../docs/*/*.md")
	require.NoError(t, err)
	var out []example
	for _, name := range append(append(files, more...), "../README.md") {
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		for _, m := range yamlBlock.FindAllStringSubmatch(string(data), -1) {
			out = append(out, example{filepath.Base(name), regexp.MustCompile(`(?m)^`+m[1]).ReplaceAllString(m[2], "")})
		}
	}
	return out
}

// completions are what an excerpt of a recipe lacks, by a text of the excerpt.
var completions = map[string]string{
	"secrets: [token]": "secrets: {token: {env: TOKEN}}\n",
}

// isRecipe reports whether a YAML block is a recipe or an excerpt of one, by its keys. Others are workflows, packages,
// compose files and scenarios.
func isRecipe(t *testing.T, e example) bool {
	t.Helper()
	var top map[string]any
	require.NoError(t, yaml.Unmarshal([]byte(e.text), &top), e.text)
	for _, key := range []string{"base", "include", "layers", "repositories", "mirrors", "disk", "boot", "container", "secrets", "vars", "remove"} {
		if _, ok := top[key]; ok && top["jobs"] == nil {
			return true
		}
	}
	return false
}

// TestExamplesArePlanned: every recipe in the documentation can be planned, with nothing added but what excerpts lack.
func TestExamplesArePlanned(t *testing.T) {
	count := 0
	for _, e := range examples(t) {
		if strings.HasPrefix(strings.TrimSpace(e.text), "- ") {
			e.text = "layers:\n  - stage: {pallet: pallets/services}\n" + e.text
		}
		if isRecipe(t, e) {
			count++
			t.Run(e.file, func(t *testing.T) { plan(t, complete(e.text)) })
		}
	}
	require.Greater(t, count, 8)
}

// complete adds a name, a base and what the table of completions has to an excerpt of a recipe.
func complete(text string) string {
	if !regexp.MustCompile(`(?m)^name:`).MatchString(text) {
		text += "\nname: example\n"
	}
	if !regexp.MustCompile(`(?m)^(base|include):`).MatchString(text) {
		text += "include: [include/debian-pi.yml, include/stages.yml]\n"
	}
	for part, missing := range completions {
		if strings.Contains(text, part) {
			text += missing
		}
	}
	text = regexp.MustCompile(`sha256: \S*…`).ReplaceAllString(text, "sha256: "+strings.Repeat("a", 64))
	return strings.ReplaceAll(text, "source: …", "source: https://example.org/pi.img")
}

// plan plans a recipe in a directory with the files that the documentation names.
func plan(t *testing.T, text string) {
	t.Helper()
	dir := write(t, map[string]string{"pi.yml": text, "keys/docker.asc": armored, "models/x": ""})
	for _, name := range []string{"include", "files"} {
		require.NoError(t, os.CopyFS(filepath.Join(dir, name), os.DirFS("../recipes/"+name)))
	}
	for name, from := range map[string]string{"pallet": "standard", "pallets/standard": "standard", "pallets/buoy": "standard", "pallets/services": "services"} {
		require.NoError(t, os.CopyFS(filepath.Join(dir, name), os.DirFS("../recipes/pallets/"+from)))
	}
	for _, name := range []string{"images", "out/containers"} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, name), 0o755))
	}
	t.Chdir(dir)
	o := shippedOptions(t)
	r, err := recipes.Load("pi.yml", recipes.Options{Shipped: ShippedDir(o.Cache)})
	require.NoError(t, err, text)
	s, err := Gather(t.Context(), r, o)
	require.NoError(t, err, text)
	asked, err := s.Request()
	require.NoError(t, err)
	stack, err := s.packageLayers()
	require.NoError(t, err)
	s.lock = &lock.Lock{For: asked.For, Over: make([][]debian.Package, max(0, len(stack)-1))}
	for _, name := range asked.Images {
		s.lock.Images = append(s.lock.Images, lock.Image{Name: name, Digest: "sha256:" + zeroes})
	}
	_, err = Compile(s, programs)
	require.NoError(t, err, text)
}
