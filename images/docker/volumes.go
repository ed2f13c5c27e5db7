package docker

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"go.etcd.io/bbolt"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// Volume is a named Docker volume of the driver "local".
type Volume struct {
	Name   string
	Labels map[string]string
}

// volumes are the volumes of a store.
type volumes struct {
	named   map[string]Volume
	content map[string]*tree.Tree // by name
}

func newVolumes(all []Volume) *volumes {
	v := &volumes{named: map[string]Volume{}, content: map[string]*tree.Tree{}}
	for _, one := range all {
		v.named[one.Name] = one
		v.content[one.Name] = emptyVolume()
	}
	return v
}

func emptyVolume() *tree.Tree {
	return &tree.Tree{Root: &tree.Node{Mode: 0o755}}
}

// fill copies the files of the image into the empty volumes of a container, as Docker does.
func (v *volumes) fill(c completeContainer, image *tree.Tree, api string) error {
	for i := range c.mounts {
		m := &c.mounts[i]
		if m.Type != "volume" {
			continue
		}
		if m.anonymous {
			v.named[m.Name] = Volume{Name: m.Name, Labels: anonymousLabels(api)}
			v.content[m.Name] = emptyVolume()
		} else if _, known := v.named[m.Name]; !known {
			return fmt.Errorf("volumes: volume %s does not exist", m.Name)
		}
		_, source := image.Resolve(m.Destination)
		if source == nil || m.noCopy || v.content[m.Name].Root.Len() > 0 {
			continue
		}
		if source.Type != tree.Directory {
			return fmt.Errorf("volumes: %s is not a directory in the image", m.Destination)
		}
		v.content[m.Name] = &tree.Tree{Root: source}
	}
	return nil
}

// anonymousLabels returns the labels of anonymous volumes, which Docker sets since version 1.42 of its API.
func anonymousLabels(api string) map[string]string {
	_, minor, _ := strings.Cut(api, ".")
	if n, err := strconv.Atoi(minor); err == nil && n >= 42 {
		return map[string]string{"com.docker.volume.anonymous": ""}
	}
	return nil
}

// volumes writes volumes and their database.
func (t *storeWriter) volumes(v *volumes) error {
	t.directory("volumes", 0o701)
	var rows [][2]string
	for _, name := range slices.Sorted(maps.Keys(v.named)) {
		t.directory("volumes/"+name, 0o701)
		t.copy("volumes/"+name+"/_data", v.content[name])
		row, err := json.Marshal(object{"Name": name, "Driver": "local", "Labels": v.named[name].Labels, "Options": nil})
		if err != nil {
			return err
		}
		rows = append(rows, [2]string{name, string(row)})
	}
	data, err := database("volumes", rows)
	if err != nil {
		return fmt.Errorf("volumes: %w", err)
	}
	t.file("volumes/metadata.db", 0o600, data)
	return nil
}

// copy puts copies of the nodes of a tree below a directory, so that they are no hard links of those.
func (t *storeWriter) copy(dir string, from *tree.Tree) {
	copies := map[*tree.Node]*tree.Node{}
	for name, n := range from.Walk() {
		if copies[n] == nil {
			one := attributes(n)
			one.Type, one.Content, one.Target, one.Major, one.Minor = n.Type, n.Content, n.Target, n.Major, n.Minor
			copies[n] = one
		}
		t.put(path.Join(dir, name), copies[n])
	}
}

// pageSize is the page size of databases, in bytes. Docker reads any.
const pageSize = 4096

// database returns the content of a bbolt database with one bucket: https://pkg.go.dev/go.etcd.io/bbolt
func database(table string, rows [][2]string) (data string, err error) {
	f, err := os.CreateTemp("", "pkbuild-database-")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	if err := f.Close(); err != nil {
		return "", err
	}
	db, err := bbolt.Open(f.Name(), 0o600, &bbolt.Options{PageSize: pageSize, NoSync: true})
	if err != nil {
		return "", err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket([]byte(table))
		if err != nil {
			return err
		}
		for _, row := range rows {
			if err := b.Put([]byte(row[0]), []byte(row[1])); err != nil {
				return err
			}
		}
		return nil
	})
	if err := errors.Join(err, db.Close()); err != nil {
		return "", err
	}
	content, err := os.ReadFile(f.Name())
	return string(content), err
}
