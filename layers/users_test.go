package layers

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/treetest"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

func accountTree(t *testing.T) *tree.Tree {
	return treetest.New(t,
		"f etc/passwd root:x:0:0:root:/root:/bin/bash\n",
		"f etc/shadow root:*:20454:0:99999:7:::\n",
		"f etc/group root:x:0:\nsudo:x:27:\ndocker:x:999:\n",
		"f etc/gshadow root:*::\nsudo:*::\ndocker:!::\n",
		"f etc/skel/.profile umask 022\n")
}

// env returns an environment with secrets, which collects warnings.
func env(secrets map[string]string, warnings *[]string) *Env {
	return &Env{
		Latest: storeTime,
		Secret: func(name string) ([]byte, error) { return []byte(secrets[name]), nil },
		Progress: func(p Progress) {
			if p.Warning {
				*warnings = append(*warnings, p.Message)
			}
		},
	}
}

func TestUsers(t *testing.T) {
	below := accountTree(t)
	var warnings []string
	u := Users{Users: []User{{Name: "pi", UID: 1000, Shell: "/bin/sh", Groups: []string{"sudo", "pkctl"}, Password: "p", AuthorizedKeys: []string{"ssh-ed25519 AAAA me"}}}}
	out, err := u.Make(t.Context(), env(map[string]string{"p": "secret"}, &warnings), below)
	require.NoError(t, err)
	require.Empty(t, warnings)
	read := func(name string) string {
		data, err := out.ReadFile(name)
		require.NoError(t, err)
		return string(data)
	}
	require.Equal(t, "root:x:0:0:root:/root:/bin/bash\npi:x:1000:1000::/home/pi:/bin/sh\n", read("etc/passwd"))
	require.Equal(t, "root:x:0:\nsudo:x:27:pi\ndocker:x:999:\npi:x:1000:\npkctl:x:998:pi\n", read("etc/group"))
	require.Equal(t, "root:*::\nsudo:*::pi\ndocker:!::\npi:!::\npkctl:!::pi\n", read("etc/gshadow"))
	require.Regexp(t, `^root:\*:20454:0:99999:7:::\npi:\$6\$rounds=100000\$[./0-9A-Za-z]{16}\$[./0-9A-Za-z]{86}:20454:0:99999:7:::\n$`, read("etc/shadow"))
	require.Equal(t, "umask 022\n", read("home/pi/.profile"))
	require.Equal(t, "ssh-ed25519 AAAA me\n", read("home/pi/.ssh/authorized_keys"))
	require.Equal(t, uint32(0o600), out.Get("home/pi/.ssh/authorized_keys").Mode)
	for name, n := range out.Sub("home/pi").Walk() {
		require.Equal(t, [2]uint32{1000, 1000}, [2]uint32{n.UID, n.GID}, name)
	}
}

func TestUsersPassword(t *testing.T) {
	for name, c := range map[string]struct {
		secret, field, warning, err string
	}{
		"no value":     {"", "!", "user pi is locked: the secret p has no value", ""},
		"a hash":       {"$y$j9T$salt$hash", "$y$j9T$salt$hash", "", ""},
		"a line break": {"a\nb", "", "", "user pi: password: the secret p contains a colon or a line break"},
	} {
		t.Run(name, func(t *testing.T) {
			var warnings []string
			u := Users{Users: []User{{Name: "pi", UID: 1000, Password: "p"}}}
			out, err := u.Make(t.Context(), env(map[string]string{"p": c.secret}, &warnings), accountTree(t))
			if c.err != "" {
				require.EqualError(t, err, c.err)
				return
			}
			require.NoError(t, err)
			shadow, err := out.ReadFile("etc/shadow")
			require.NoError(t, err)
			require.Contains(t, string(shadow), "pi:"+c.field+":20454:")
			if c.warning != "" {
				require.Equal(t, []string{c.warning}, warnings)
			}
		})
	}
}

// TestUsersAdopt gives a user of the base, as Raspberry Pi OS has one, the settings of the recipe.
func TestUsersAdopt(t *testing.T) {
	below := treetest.New(t,
		"f etc/passwd pi:x:1000:1000:,,,:/home/pi:/bin/zsh\n", "f etc/shadow pi:!:19000:0:99999:7:::\n",
		"f etc/group pi:x:1000:\nsudo:x:27:pi\nvideo:x:44:\n", "f etc/gshadow pi:!::\nsudo:*::pi\nvideo:*::\n",
		"f etc/skel/.profile skel", "f home/pi/.profile own")
	var warnings []string
	u := Users{Users: []User{{Name: "pi", UID: 1000, Shell: "/bin/sh", Groups: []string{"sudo", "video"}, Password: "p",
		AuthorizedKeys: []string{"key"}}}}
	out, err := u.Make(t.Context(), env(map[string]string{"p": "$6$salt$hash"}, &warnings), below)
	require.NoError(t, err)
	require.NoError(t, below.Apply(out))
	for name, want := range map[string]string{
		"etc/passwd": "pi:x:1000:1000:,,,:/home/pi:/bin/zsh\n", "etc/shadow": "pi:$6$salt$hash:20454:0:99999:7:::\n",
		"etc/group": "pi:x:1000:\nsudo:x:27:pi\nvideo:x:44:pi\n", "home/pi/.profile": "own", "home/pi/.ssh/authorized_keys": "key\n",
	} {
		got, err := below.ReadFile(name)
		require.NoError(t, err)
		require.Equal(t, want, string(got), name)
	}
}

func TestUsersErrors(t *testing.T) {
	for name, c := range map[string]struct {
		user User
		want string
	}{
		"the name of a user": {User{Name: "root", UID: 1000}, "user root: the base has a user of that name, whose number is not 1000 or " +
			"whose home is not /home/root: give it the number that it has there, or another name"},
		"the name of a group": {User{Name: "sudo", UID: 1000}, "user sudo: base has already a group with the user's name"},
		"a number in use":     {User{Name: "pi", UID: 27}, "user pi: base uses the number 27 already, for another user or group"},
	} {
		t.Run(name, func(t *testing.T) {
			var warnings []string
			_, err := Users{Users: []User{c.user}}.Make(t.Context(), env(nil, &warnings), accountTree(t))
			require.EqualError(t, err, c.want)
		})
	}
	_, err := Users{}.Make(t.Context(), env(nil, nil), tree.New())
	require.EqualError(t, err, "/etc/passwd is not in the tree (users need a base with accounts)")
}
