package layers

import (
	"context"
	"crypto/sha256"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/go-crypt/crypt/algorithm/shacrypt"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// Users is a layer of accounts: it adds them to /etc/passwd, shadow, group and gshadow, and makes their home directories
// from /etc/skel. An account that the tree below already has only gets the password, the groups and the authorized keys. No
// program of the tree runs.
type Users struct {
	Users []User `json:"users"`
}

// User is a user account with a group of the same name and number.
type User struct {
	Name           string   `json:"name"`
	UID            uint32   `json:"uid"`
	Comment        string   `json:"comment,omitempty"`
	Shell          string   `json:"shell"`
	Groups         []string `json:"groups,omitempty"`   // made as system groups where the tree has none of the name
	Password       string   `json:"password,omitempty"` // name of the secret; without a value the account is locked
	AuthorizedKeys []string `json:"authorizedKeys,omitempty"`
	Locked         bool     `json:"locked,omitempty"` // nobody is to log in: nothing is said of it
}

// Kind returns the name and version of the layer kind "users".
func (Users) Kind() Kind { return Kind{Name: "users", Version: 1, Secret: true} }

// Make returns the changed account files and the new home directories. It fails if the tree below has another user or group
// of the name or number, or has the account with another number or home. A user without a password is locked.
func (u Users) Make(_ context.Context, env *Env, below *tree.Tree) (*tree.Tree, error) {
	db, err := readAccounts(below)
	if err != nil {
		return nil, err
	}
	t := tree.New()
	for _, user := range u.Users {
		hash, err := user.hash(env)
		if err != nil {
			return nil, fmt.Errorf("user %s: password: %w", user.Name, err)
		}
		if err := db.add(user, hash, env.Latest.Unix()/86400); err != nil {
			return nil, fmt.Errorf("user %s: %w", user.Name, err)
		}
		if err := user.home(t, env, below); err != nil {
			return nil, fmt.Errorf("user %s: home: %w", user.Name, err)
		}
	}
	return t, db.write(t, env, below)
}

// locked is the password field of a locked account.
const locked = "!"

// rounds is the number of SHA-512 rounds of crypt(3): a tenth of a second on the slowest Pi.
const rounds = 100_000

// hash returns the password field of the user, or the secret itself if that is a crypt(3) hash. The salt is derived from
// the name, so that builds are reproducible.
func (u User) hash(env *Env) (string, error) {
	if u.Locked {
		return locked, nil
	}
	if u.Password == "" {
		env.Report(Progress{Warning: true, Message: fmt.Sprintf("user %s is locked: the recipe names no password for it", u.Name)})
		return locked, nil
	}
	secret, err := env.Secret(u.Password)
	if err != nil {
		return "", err
	}
	if len(secret) == 0 {
		env.Report(Progress{Warning: true, Message: fmt.Sprintf("user %s is locked: the secret %s has no value", u.Name, u.Password)})
		return locked, nil
	}
	if strings.ContainsAny(string(secret), ":\n") {
		return "", fmt.Errorf("the secret %s contains a colon or a line break", u.Password)
	}
	if strings.HasPrefix(string(secret), "$") && strings.Count(string(secret), "$") >= 3 {
		return string(secret), nil
	}
	hasher, err := shacrypt.New(shacrypt.WithSHA512(), shacrypt.WithIterations(rounds))
	if err != nil {
		return "", err
	}
	digest, err := hasher.HashWithSalt(string(secret), salt(u.Name))
	if err != nil {
		return "", err
	}
	return digest.Encode(), nil
}

// salt returns 16 characters of the alphabet of crypt(3).
func salt(name string) []byte {
	const alphabet = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	sum := sha256.Sum256([]byte("pkbuild password salt of " + name))
	out := make([]byte, 16)
	for i := range out {
		out[i] = alphabet[sum[i]%64]
	}
	return out
}

func (u User) home(t *tree.Tree, env *Env, below *tree.Tree) error {
	home := path.Join("home", u.Name)
	own := func(n tree.Node) *tree.Node {
		n.UID, n.GID, n.ModTime = u.UID, u.UID, env.Latest
		return &n
	}
	there := below.Sub(home) != nil
	if !there {
		if err := t.Put(home, own(tree.Node{Mode: 0o700})); err != nil {
			return err
		}
	}
	if skel := below.Sub("etc/skel"); skel != nil && !there {
		for name, n := range skel.Walk() {
			if name == "" {
				continue
			}
			if err := t.Put(path.Join(home, name), own(n.Bare())); err != nil {
				return err
			}
		}
	}
	if len(u.AuthorizedKeys) == 0 {
		return nil
	}
	if err := t.Put(path.Join(home, ".ssh"), own(tree.Node{Mode: 0o700})); err != nil {
		return err
	}
	keys := strings.Join(u.AuthorizedKeys, "\n") + "\n"
	return t.Put(path.Join(home, ".ssh/authorized_keys"), own(tree.Node{Type: tree.Regular, Mode: 0o600, Content: tree.Inline(keys)}))
}

// accounts are the lines of passwd(5), shadow(5), group(5) and gshadow(5) by file, split at colons.
type accounts map[string][][]string

var accountFiles = []string{"etc/passwd", "etc/shadow", "etc/group", "etc/gshadow"}

func readAccounts(t *tree.Tree) (accounts, error) {
	db := accounts{}
	for _, name := range accountFiles {
		data, err := t.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("%w (users need a base with accounts)", err)
		}
		for line := range strings.Lines(string(data)) {
			db[name] = append(db[name], strings.Split(strings.TrimSuffix(line, "\n"), ":"))
		}
	}
	return db, nil
}

func (db accounts) find(file, name string) []string {
	for _, fields := range db[file] {
		if fields[0] == name {
			return fields
		}
	}
	return nil
}

func (db accounts) used(file, id string) bool {
	return slices.ContainsFunc(db[file], func(fields []string) bool { return len(fields) > 2 && fields[2] == id })
}

// add adds a user. day is the date of the last password change in days since 1970.
func (db accounts) add(u User, hash string, day int64) error {
	id := strconv.FormatUint(uint64(u.UID), 10)
	switch {
	case db.find("etc/passwd", u.Name) != nil:
		return db.adopt(u, id, hash, day)
	case db.find("etc/group", u.Name) != nil:
		return fmt.Errorf("base has already a group with the user's name")
	case db.used("etc/passwd", id) || db.used("etc/group", id):
		return fmt.Errorf("base uses the number %s already, for another user or group", id)
	}
	db.append("etc/passwd", u.Name, "x", id, id, u.Comment, "/home/"+u.Name, u.Shell)
	db.append("etc/shadow", u.Name, hash, strconv.FormatInt(day, 10), "0", "99999", "7", "", "", "")
	db.append("etc/group", u.Name, "x", id, "")
	db.append("etc/gshadow", u.Name, locked, "", "")
	return db.joinAll(u)
}

// adopt gives an account of the base the password and groups of the recipe. It keeps its name, number, shell and home.
func (db accounts) adopt(u User, id, hash string, day int64) error {
	have := db.find("etc/passwd", u.Name)
	if len(have) < 6 || have[2] != id || have[5] != "/home/"+u.Name {
		return fmt.Errorf("the base has a user of that name, whose number is not %s or whose home is not /home/%s: "+
			"give it the number that it has there, or another name", id, u.Name)
	}
	shadow := db.find("etc/shadow", u.Name)
	if len(shadow) < 3 {
		return fmt.Errorf("/etc/shadow of the base has no line for the user")
	}
	shadow[1], shadow[2] = hash, strconv.FormatInt(day, 10)
	return db.joinAll(u)
}

func (db accounts) joinAll(u User) error {
	for _, group := range u.Groups {
		if err := db.join(group, u.Name); err != nil {
			return err
		}
	}
	return nil
}

func (db accounts) append(file string, fields ...string) { db[file] = append(db[file], fields) }

// join adds a user to a group, which it creates if it does not exist.
func (db accounts) join(group, user string) error {
	if db.find("etc/group", group) == nil {
		gid := 999 // system groups are counted down from here: adduser's LAST_SYSTEM_GID
		for db.used("etc/group", strconv.Itoa(gid)) {
			gid--
		}
		db.append("etc/group", group, "x", strconv.Itoa(gid), "")
		db.append("etc/gshadow", group, locked, "", "")
	}
	for _, file := range []string{"etc/group", "etc/gshadow"} {
		fields := db.find(file, group)
		if len(fields) != 4 {
			return fmt.Errorf("group %s has no line of four fields in /%s", group, file)
		}
		members := strings.FieldsFunc(fields[3], func(r rune) bool { return r == ',' })
		if !slices.Contains(members, user) {
			fields[3] = strings.Join(append(members, user), ",")
		}
	}
	return nil
}

func (db accounts) write(t *tree.Tree, env *Env, below *tree.Tree) error {
	for _, name := range accountFiles {
		var text strings.Builder
		for _, fields := range db[name] {
			text.WriteString(strings.Join(fields, ":") + "\n")
		}
		_, old := below.Resolve(name)
		n := *old
		n.ModTime, n.Content = env.Latest, tree.Inline(text.String())
		if err := t.Put(name, &n); err != nil {
			return err
		}
	}
	return nil
}
