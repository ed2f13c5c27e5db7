package recipes

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/tools/txtar"
)

// TestStories checks the messages of the command's stories with broken recipes without running the command.
func TestStories(t *testing.T) {
	stories, err := filepath.Glob("../testscripts/testdata/pkbuild/recipe-*.txtar")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(stories), 20)
	for _, path := range stories {
		story, err := txtar.ParseFile(path)
		require.NoError(t, err)
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Chdir(t.TempDir())
			files := unpack(t, story)
			recipe, opts := planned(t, string(story.Comment))
			require.Equal(t, files["want"], report(recipe, opts))
		})
	}
}

// unpack writes the files of a story into the current directory.
func unpack(t *testing.T, story *txtar.Archive) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, f := range story.Files {
		require.NoError(t, os.MkdirAll(filepath.Dir(f.Name), 0o755))
		require.NoError(t, os.WriteFile(f.Name, f.Data, 0o644))
		files[f.Name] = string(f.Data)
	}
	return files
}

// planned returns the recipe and the options of a story's plan command.
func planned(t *testing.T, script string) (recipe string, opts Options) {
	t.Helper()
	_, rest, found := strings.Cut(script, "! exec pkbuild plan ")
	require.True(t, found, "story does not run pkbuild plan")
	line, _, _ := strings.Cut(rest, "\n")
	words := strings.Fields(line)
	opts.Set = map[string]string{}
	for i := 1; i+1 < len(words); i += 2 {
		require.Equal(t, "--set", words[i])
		name, value, _ := strings.Cut(words[i+1], "=")
		opts.Set[name] = value
	}
	return words[0], opts
}

// report returns the output of the command for a recipe with mistakes.
func report(recipe string, opts Options) string {
	_, err := Load(recipe, opts)
	var problems Problems
	if !errors.As(err, &problems) {
		return fmt.Sprintf("no mistakes: %v", err)
	}
	mistakes := "mistakes"
	if len(problems) == 1 {
		mistakes = "mistake"
	}
	return fmt.Sprintf("%s\npkbuild: %s: %d %s\n", problems.Error(), recipe, len(problems), mistakes)
}
