package initsteps

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

// instance returns the systemd instance name of a path without special characters.
func instance(p string) string { return strings.ReplaceAll(strings.Trim(p, "/"), "/", "-") }

// ids returns the owner of the home directory, or a Skip if there is no such directory or its owner is not in the group.
func (s BindHome) ids(b *Boot) (IDs, error) {
	home, err := b.Stat(s.Home)
	if errors.Is(err, fs.ErrNotExist) {
		return IDs{}, Skip(s.Home + " does not exist")
	}
	if err != nil {
		return IDs{}, err
	}
	users, err := database(b, "/etc/passwd")
	if err != nil {
		return IDs{}, err
	}
	groups, err := database(b, "/etc/group")
	if err != nil {
		return IDs{}, err
	}
	user := slices.IndexFunc(users, func(f []string) bool { return len(f) > 3 && f[2] == strconv.Itoa(home.UID) })
	if user < 0 {
		return IDs{}, Skip(fmt.Sprintf("%s belongs to no user (uid %d)", s.Home, home.UID))
	}
	group := slices.IndexFunc(groups, func(f []string) bool { return len(f) > 3 && f[0] == s.Group })
	if group < 0 {
		return IDs{}, Skip("group " + s.Group + " does not exist")
	}
	name, primary := users[user][0], users[user][3]
	if primary != groups[group][2] && !slices.Contains(strings.Split(groups[group][3], ","), name) {
		return IDs{}, Skip(fmt.Sprintf("%s is not in the group %s", name, s.Group))
	}
	gid, err := strconv.Atoi(primary)
	if err != nil {
		return IDs{}, fmt.Errorf("/etc/passwd: group of user %s: %w", name, err)
	}
	return IDs{UID: home.UID, GID: gid}, nil
}

// database reads a file of colon-separated fields such as /etc/group.
func database(b *Boot, name string) ([][]string, error) {
	data, err := b.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var rows [][]string
	for line := range strings.Lines(string(data)) {
		rows = append(rows, strings.Split(strings.TrimSuffix(line, "\n"), ":"))
	}
	return rows, nil
}
