package compose

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"
)

func load(t *testing.T, files ...string) (*Project, error) {
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
	loaded, err := load(t, `
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
	}, loaded.App)
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
			require.Equal(t, "x", app.App.Name)
		}
	})
}

// plainFiles are files that loadPlain accepts.
var plainFiles = []string{
	typicalApp,
	"services: {a: {image: x, ports: [80, '80:81/udp', {target: 1, published: '2'}], privileged: 'true', env_file: [a, {path: b, required: false}]}}",
	"services: {a: {image: x, depends_on: [b], ulimits: {nofile: 1}, extra_hosts: ['a:1.2.3.4'], labels: [a=b]}, b: {image: y, scale: 2}}",
	"version: '3'\nservices: {a: {image: '${X:-y}', environment: {A: null, B: 1}, healthcheck: {test: [CMD, x], interval: 5s}}}",
	"services: {a: {image: x, volumes: ['./a:/b:ro', 'v:/c', {type: tmpfs, target: /d}], configs: [c], secrets: [s]}}\n" +
		"volumes: {v: {driver_opts: {device: ./x}}}\nconfigs: {c: {file: ./c}}\nsecrets: {s: {environment: S}}",
	"services: {a: {image: x, networks: {n: {aliases: [y]}}, deploy: {resources: {limits: {cpus: '0.5', memory: 5M}}}}}\nnetworks: {n: {ipam: {config: [{subnet: 10.0.0.0/8}]}}}",
	"services: &s {a: {image: x, build: {context: ., args: [a=b]}, logging: {driver: x, options: {a: b}}}}\nx-y: *s\nname: z",
}

// loadBoth loads a file with loadPlain and with compose-go alone.
func loadBoth(t *testing.T, text string) (plain, full *types.Project, plainErr, fullErr error) {
	t.Helper()
	s := Source{Name: "x", Dir: "packages/x", Files: []File{{"c.yml", []byte(text)}},
		Find: func(string) (string, error) { return "", errors.New("no") }}
	load := func(load func(context.Context) (*types.Project, error)) (p *types.Project, err error) {
		defer func() {
			if recover() != nil {
				err = errors.New("panic")
			}
		}()
		return load(t.Context())
	}
	plain, plainErr = load(s.loadPlain)
	full, fullErr = load(func(ctx context.Context) (*types.Project, error) {
		return loader.LoadWithContext(ctx, s.details(), s.options)
	})
	return plain, full, plainErr, fullErr
}

func TestLoadPlain(t *testing.T) {
	for _, text := range plainFiles {
		plain, full, err, fullErr := loadBoth(t, text)
		require.NoError(t, err, text)
		require.NoError(t, fullErr, text)
		require.Equal(t, full, plain, text)
	}
	for _, text := range []string{
		"include: [a.yml]\nservices: {a: {image: x}}", "services: {a: {image: x, extends: {service: b}}}",
		"services: {a: {image: !reset null}}", "services: {a: !override {image: x}}", "services: {a: {image: x}}\n---\nservices: {b: {image: y}}",
	} {
		_, _, err, _ := loadBoth(t, text)
		require.ErrorIs(t, err, errNotPlain, text)
	}
}

// FuzzLoadPlain compares loadPlain with compose-go: what loadPlain accepts, compose-go accepts, too, with the same result.
func FuzzLoadPlain(f *testing.F) {
	for _, seed := range plainFiles {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 4096 || (File{"c.yml", []byte(text)}).check() != nil {
			return
		}
		if plain, full, err, fullErr := loadBoth(t, text); err == nil {
			require.NoError(t, fullErr)
			require.Equal(t, full, plain)
		}
	})
}

// FuzzCheckEnvFile checks that env files do not panic.
func FuzzCheckEnvFile(f *testing.F) {
	for _, seed := range []string{"A=b\nexport C='d'\n", "A=\"b\nc\"\n", "A=${B:-c} # x\n", "=x", "A='", "A=\"\\\\\""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) < 4096 {
			_ = CheckEnvFile(text)
		}
	})
}
