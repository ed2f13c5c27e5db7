package recipes

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// FuzzLoad loads a recipe and a file that it may include. The result is a recipe, or mistakes without duplicates, in order,
// each with a position and in one line.
func FuzzLoad(f *testing.F) {
	f.Add([]byte(base), []byte(""), "", "")
	f.Add([]byte(base+"include: [common.yml]\nvars: {a: \"${b}\"}\n"), []byte("vars: {b: c}\n"), "b", "d")
	stories, err := filepath.Glob("../testscripts/testdata/recipe-*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range stories {
		src, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		files := map[string][]byte{}
		for _, file := range txtar.Parse(src).Files {
			files[file.Name] = file.Data
		}
		f.Add(files["pi.yml"], files["common.yml"], "user", "pi")
	}
	f.Fuzz(func(t *testing.T, recipe, common []byte, name, value string) {
		files := map[string]string{"pi.yml": string(recipe), "common.yml": string(common), "files/": "", "motd": ""}
		loaded, err := load(files, map[string]string{name: value})
		if err == nil {
			requireSound(t, loaded)
			return
		}
		var problems Problems
		if !errors.As(err, &problems) || len(problems) == 0 {
			t.Fatalf("not a list of mistakes: %v", err)
		}
		for i, p := range problems {
			if p.File == "" || p.Line < 1 || p.Column < 1 || p.Message == "" {
				t.Errorf("no position or no message: %#v", p)
			}
			if strings.ContainsAny(p.String(), "\r\n") {
				t.Errorf("more than one line: %q", p)
			}
			if slices.Contains(problems[:i], p) {
				t.Errorf("said twice: %s", p)
			}
		}
	})
}

// requireSound checks the guarantees that package builder relies on.
func requireSound(t *testing.T, r *Recipe) {
	t.Helper()
	if r.Name == "" || r.Base.Debian == nil || r.Base.Debian.Suite == "" || r.Architecture == "" || r.Dir == "" {
		t.Errorf("something that is required lacks: %#v", r)
	}
	for _, size := range []string{r.Disk.BootSize, r.Disk.Free} {
		if _, err := ParseSize(size); err != nil {
			t.Error(err)
		}
	}
	if _, err := ParseDate(r.Date); err != nil {
		t.Error(err)
	}
	for _, layer := range r.Layers {
		for _, file := range layer.Files {
			if _, err := ParseMode(file.Mode); file.Mode != "" && err != nil {
				t.Error(err)
			}
			if !strings.HasPrefix(file.Target, "/") || strings.Contains(file.Target, "/../") {
				t.Errorf("target %q", file.Target)
			}
		}
	}
}
