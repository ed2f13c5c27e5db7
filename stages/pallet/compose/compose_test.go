package compose

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func load(t *testing.T, files ...string) (*App, error) {
	t.Helper()
	s := Source{Name: "a_b", Dir: "packages/x", Find: func(name string) (string, error) {
		if name != "other.yml" {
			return "", errors.New("there is no " + name)
		}
		file := filepath.Join(t.TempDir(), name)
		return file, os.WriteFile(file, []byte("services: {base: {image: base, volumes: ['/base:/base']}}"), 0o644)
	}}
	for _, content := range files {
		s.Files = append(s.Files, File{Name: "compose.yml", Content: []byte(content)})
	}
	return Load(t.Context(), s)
}

func TestApp(t *testing.T) {
	t.Setenv("TAG", "from the environment")
	app, err := load(t, `
services:
  web:
    image: web:${TAG:-none}
    volumes:
      - ./data:/data
      - /host:/host
      - {type: bind, source: /there, target: /there, bind: {create_host_path: false}}
      - named:/named
    env_file: [missing.env]
networks: {default: {name: none, external: true}, out: {external: true}, in: {}}
volumes: {named: {}, given: {external: true, name: its-name}}
`, `
services:
  web: {networks: [out, in]}
  extended: {extends: {file: other.yml, service: base}}
`)
	require.NoError(t, err)
	require.Equal(t, &App{
		Name: "a_b", Services: []string{"extended", "web"}, Images: []string{"base", "web:none"},
		CreatedBindMounts: []string{"/base", "/host", "packages/x/data"}, RequiredBindMounts: []string{"/there"},
		CreatedVolumes: []string{"a_b_named"}, RequiredVolumes: []string{"its-name"},
		CreatedNetworks: []string{"a_b_in"}, RequiredNetworks: []string{"out"},
	}, app)
}

func TestMistakes(t *testing.T) {
	for text, message := range map[string]string{
		"services: {x: {image: x, prot: 1}}":                                "read compose files of a_b: validating compose.yml: services.x additional properties 'prot' not allowed",
		"include: [/etc/shadow]":                                            "there is no /etc/shadow",
		"services: {x: {extends: {file: ../../../etc/passwd, service: x}}}": "there is no ../../../etc/passwd",
		"services: {x: {}}":                                                 `service "x" has neither an image nor a build context specified`,
		"services: {x: {image: x}}\nx-a: &x {<<: *x}":                       "compose.yml:1:1: file expands to more than 10000 values",
		"{": "compose.yml: [1:1] could not find flow mapping end token",
	} {
		_, err := load(t, text)
		require.ErrorContains(t, err, message)
	}
}

// TestManyAliases loads a file that expands to maxValues values.
func TestManyAliases(t *testing.T) {
	text := "x-a: &a [" + strings.Repeat("1, ", 96) + "1]\nx-b: [" + strings.Repeat("*a, ", 99) + "*a]\nservices: {x: {image: x}}\n"
	_, err := load(t, text)
	require.NoError(t, err)
}

// FuzzLoad checks that Load terminates without a panic.
func FuzzLoad(f *testing.F) {
	f.Add("services: {web: {image: web, volumes: ['./a:/b'], networks: [x]}}\nnetworks: {x: {external: true}}")
	f.Add("services: {a: &a {image: x}, b: *a}\nvolumes: {v: null}")
	f.Add("services: {a: {image: !reset null}}\nx-a: &x {<<: *x}")
	f.Add("include: [x]\nservices: {a: {extends: {service: a}, image: ${X:?y}}}")
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 4096 {
			return
		}
		app, err := Load(t.Context(), Source{Name: "x", Dir: "packages/x", Files: []File{{"c.yml", []byte(text)}},
			Find: func(string) (string, error) { return "", errors.New("no") }})
		if err == nil {
			require.Equal(t, "x", app.Name)
		}
	})
}
