package source

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// basic requires a user and a password.
func basic(w http.ResponseWriter, r *http.Request) bool {
	if user, password, _ := r.BasicAuth(); user == "me" && password == "secret" {
		return false
	}
	w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
	refuse(w, 401, "UNAUTHORIZED", "authentication required")
	return true
}

// bearer requires a token, which /token issues for a user and a password.
func bearer(reg *registry) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/token" {
			user, password, _ := r.BasicAuth()
			if user != "me" || password != "secret" {
				refuse(w, 401, "UNAUTHORIZED", "incorrect username or password")
				return true
			}
			_ = json.NewEncoder(w).Encode(map[string]string{"token": r.URL.Query().Get("scope")})
			return true
		}
		if r.Header.Get("Authorization") == "Bearer repository:caddy:pull" {
			return false
		}
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="https://%s/token",service="registry"`, reg.host()))
		refuse(w, 401, "UNAUTHORIZED", "authentication required")
		return true
	}
}

func TestAuth(t *testing.T) {
	secret := base64.StdEncoding.EncodeToString([]byte("me:secret"))
	wrong := base64.StdEncoding.EncodeToString([]byte("me:wrong"))
	helpers := t.TempDir()
	script := "#!/bin/sh\necho '{\"ServerURL\":\"x\",\"Username\":\"me\",\"Secret\":\"secret\"}'\n"
	require.NoError(t, os.WriteFile(filepath.Join(helpers, "docker-credential-testing"), []byte(script), 0o755))
	t.Setenv("PATH", helpers+":"+os.Getenv("PATH"))
	m := newTestImage(t, arm64, 1000)
	for name, test := range map[string]struct {
		bearer     bool
		auth, want string
		conf       string // of registries.conf
		env        bool   // REGISTRY_AUTH_FILE names the file
	}{
		"basic":                     {auth: `{"auths": {%q: {"auth": "` + secret + `"}}}`},
		"bearer":                    {bearer: true, auth: `{"auths": {%q: {"auth": "` + secret + `"}}}`},
		"environment":               {auth: `{"auths": {%q: {"auth": "` + secret + `"}}}`, env: true},
		"helper":                    {auth: `{"credHelpers": {%q: "testing"}}`},
		"helper for all registries": {bearer: true, auth: `{}`, conf: "credential-helpers = [\"testing\"]\n"},
		"basic, no credentials":     {auth: `{}`, want: "the image does not exist, or needs a login: podman login HOST, or an entry in auth.json"},
		"bearer, no credentials":    {bearer: true, auth: `{}`, want: "the image does not exist, or needs a login: podman login HOST, or an entry in auth.json"},
		"basic, wrong password":     {auth: `{"auths": {%q: {"auth": "` + wrong + `"}}}`, want: "podman login HOST, or an entry"},
		"bearer, wrong password":    {bearer: true, auth: `{"auths": {%q: {"auth": "` + wrong + `"}}}`, want: "invalid username/password"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRegistry(t)
			r.push(m, "caddy", "2.8")
			r.fault = basic
			if test.bearer {
				r.fault = bearer(r)
			}
			c := client(t, r)
			host := r.host()
			if test.auth != "{}" {
				test.auth = fmt.Sprintf(test.auth, host)
			}
			write(t, c.System.AuthFilePath, test.auth)
			write(t, c.System.SystemRegistriesConfPath, test.conf)
			if test.env {
				t.Setenv("REGISTRY_AUTH_FILE", c.System.AuthFilePath)
				c.System.AuthFilePath = ""
			}
			if test.conf != "" { // with an endpoint, so that the configuration is rewritten
				write(t, c.System.SystemRegistriesConfPath, test.conf+fmt.Sprintf("[[registry]]\nlocation = %q\n", host))
			}
			got, err := c.Fetch(t.Context(), Pinned{Reference{Name: host + "/caddy:2.8"}, m.digest()})
			if test.want != "" {
				require.ErrorContains(t, err, strings.ReplaceAll(test.want, "HOST", host))
				require.NotContains(t, err.Error(), "attempts", "no retry")
				require.NotContains(t, err.Error(), "secret")
				return
			}
			require.NoError(t, err)
			requireFetched(t, c, m, got)
		})
	}
}
