package transfer

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/PlanktoScope/pkbuild/stages/docker"
	"github.com/PlanktoScope/pkbuild/stages/images"
	"github.com/PlanktoScope/pkbuild/stages/store"
)

// Event tells how far something is.
type Event struct {
	Text        string `json:"text"`
	Done, Total int64  // in bytes; a total of 0: not known
}

// Exporter writes stages to files.
type Exporter struct {
	Docker   Docker
	Store    string     // directory of the stage store
	For      *Inventory // of the device that the file is for; nil: one that has nothing
	Compress bool
	Space    func(path string) (Space, error) // nil: whether there is enough is not looked at
	Say      func(Event)
}

// Exported is what was written.
type Exported struct {
	Stage   int      `json:"stage"`
	File    string   `json:"file"`
	Size    int64    `json:"size"` // in bytes
	Images  []string `json:"images"`
	Layers  int      `json:"layers"`   // that are in the file
	LeftOut int      `json:"left_out"` // layers that the other device has
	There   int      `json:"there"`    // the stage that the bundle is there already; 0: none
}

// Export writes a stage to a file, which must not exist; it is there only when it is complete.
func (e Exporter) Export(ctx context.Context, stage int, name string) (Exported, error) {
	out := Exported{Stage: stage, File: name}
	if _, err := os.Lstat(name); err == nil {
		return out, fmt.Errorf("%s is there already: remove it, or choose another name", name)
	}
	x, lacking, err := e.plan(ctx, stage)
	if err != nil {
		return out, fmt.Errorf("export stage %d: %w", stage, err)
	}
	if err := e.checkSpace(ctx, stage, name, x, lacking); err != nil {
		return out, fmt.Errorf("export stage %d: %w", stage, err)
	}
	err = WriteFile(name, func(f *os.File) error {
		a := &archive{ctx: ctx, f: f}
		err := e.write(a, stage, &x, lacking)
		out.Size = a.at + 2*block
		return err
	})
	if err != nil {
		return out, fmt.Errorf("export stage %d to %s: %w", stage, name, err)
	}
	for _, i := range x.Images {
		out.Images = append(out.Images, i.Names...)
	}
	out.Layers, out.LeftOut = len(x.Layers), distinct(x.Images)-len(x.Layers)
	if e.For != nil {
		out.There = e.For.stage(x.Bundle)
	}
	return out, nil
}

// distinct is how many layers some images have.
func distinct(all []Needed) int {
	seen := map[digest.Digest]bool{}
	for _, i := range all {
		for _, l := range i.Layers {
			seen[l] = true
		}
	}
	return len(seen)
}

// plan says what the file will have but for its members, and the layers of each image that the other device lacks.
func (e Exporter) plan(ctx context.Context, stage int) (x Index, wanted map[digest.Digest]bool, err error) {
	x = Index{Version: indexVersion, Images: []Needed{}, Layers: []Layer{}}
	sum, err := store.Digest(os.DirFS(e.Store), stage)
	if err != nil {
		return x, nil, err
	}
	x.Bundle = digest.Digest(sum)
	m, err := store.ReadManifest(os.DirFS(filepath.Join(e.Store, strconv.Itoa(stage))))
	if err != nil {
		return x, nil, err
	}
	x.Pallet, x.Release = m.Pallet.Path, m.Pallet.Version
	names, err := images.Of(ctx, e.Store, stage)
	if err != nil || len(names) == 0 {
		return x, nil, err
	}
	h, err := host(ctx, e.Docker)
	if err != nil {
		return x, nil, fmt.Errorf("it needs %d container images: %w", len(names), err)
	}
	x.Platform = h.Platform
	if e.For != nil && e.For.Platform != "" && e.For.Platform != h.Platform {
		return x, nil, fmt.Errorf("the inventory is of a device with %s, this one has %s", e.For.Platform, h.Platform)
	}
	if x.Images, err = e.images(ctx, names); err != nil {
		return x, nil, err
	}
	has := map[digest.Digest]bool{}
	if e.For != nil {
		has = e.For.chains()
	}
	wanted = map[digest.Digest]bool{}
	for _, i := range x.Images {
		for _, l := range lacking(i.Image, has) {
			wanted[l] = true
		}
	}
	return x, wanted, nil
}

// images are those of some names, sorted by ID.
func (e Exporter) images(ctx context.Context, names []string) ([]Needed, error) {
	record, err := images.ReadRecord(e.Store)
	if err != nil {
		return nil, err
	}
	found := map[digest.Digest]*Needed{}
	for _, name := range names {
		i, err := images.Find(ctx, e.Docker, record, name)
		if errors.Is(err, docker.ErrNoImage) {
			return nil, fmt.Errorf("image %s is not on this device: have it fetched first, by pkctl stage set-next", name)
		}
		if err != nil {
			return nil, err
		}
		n := found[digest.Digest(i.ID)]
		if n == nil {
			n = &Needed{Image: imageOf(i)}
			found[n.ID] = n
		}
		n.Names = append(n.Names, name)
	}
	var out []Needed
	for _, id := range slices.Sorted(maps.Keys(found)) {
		out = append(out, *found[id])
	}
	return out, nil
}

// checkSpace looks whether there is room for what will be written, by what is known of it before.
func (e Exporter) checkSpace(ctx context.Context, stage int, name string, x Index, wanted map[digest.Digest]bool) error {
	if e.Space == nil {
		return nil
	}
	size, err := treeSize(filepath.Join(e.Store, strconv.Itoa(stage)))
	if err != nil {
		return err
	}
	for _, i := range x.Images {
		n, err := e.estimate(ctx, i, wanted)
		if err != nil {
			return err
		}
		size += n
	}
	dir := filepath.Dir(name)
	s, err := e.Space(dir)
	if err != nil {
		return err
	}
	const wayOut = "leave out what the other device has, with --for; or with --no-space-check try whether it fits compressed"
	if s.FAT && size > maxFAT {
		return fmt.Errorf("%s is on a FAT file system, where a file is smaller than 4 GiB, and this one may have %s "+
			"(use a stick with exFAT or ext4; %s)", name, bytesText(size), wayOut)
	}
	if err := enough(func(string) (Space, error) { return s, nil }, need{dir, size}); err != nil {
		return fmt.Errorf("%w (%s)", err, wayOut)
	}
	return nil
}

// estimate is about how large the layers of an image are that are wanted, without compression, in bytes. Steps of its
// making that changed nothing may or may not have a layer; where that leaves open which layer is which, all count.
func (e Exporter) estimate(ctx context.Context, i Needed, wanted map[digest.Digest]bool) (size int64, err error) {
	sizes, err := e.Docker.Sizes(ctx, string(i.ID))
	if err != nil {
		return 0, err
	}
	if len(sizes) != len(i.Layers) {
		sizes = slices.DeleteFunc(sizes, func(n int64) bool { return n == 0 })
	}
	const perFile = 10 // a tar has about a tenth more than the files in it
	for n, l := range i.Layers {
		switch {
		case !wanted[l]:
		case len(sizes) == len(i.Layers):
			size += sizes[n] + sizes[n]/perFile + 2*block
		default:
			all := int64(0)
			for _, n := range sizes {
				all += n
			}
			return all + all/perFile, nil
		}
	}
	return size, nil
}

// treeSize is how large a tar of a directory is at most, in bytes.
func treeSize(dir string) (size int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil {
			size += 4*block + info.Size()
		}
		return err
	})
	return size, err
}

func (e Exporter) write(a *archive, stage int, x *Index, wanted map[digest.Digest]bool) error {
	e.Say(Event{Text: "writing the bundle"})
	c, err := a.begin()
	if err != nil {
		return err
	}
	if err := writeBundle(c, e.Store, stage); err != nil {
		return err
	}
	if err := c.end(bundleMember); err != nil {
		return err
	}
	manifest := []loaded{}
	for n, i := range x.Images {
		l := loaded{Config: configMember(i.ID), RepoTags: []string{}}
		if e.For == nil || !e.For.has(i.ID) {
			e.Say(Event{Text: fmt.Sprintf("writing image %d of %d: %s", n+1, len(x.Images), i.Names[0])})
			if err := e.save(a, i, x, wanted); err != nil {
				return fmt.Errorf("image %s: %w", i.Names[0], err)
			}
		}
		for _, name := range i.Names {
			if t := tag(name); t != "" {
				l.RepoTags = append(l.RepoTags, t)
			}
		}
		for _, d := range i.Layers {
			l.Layers = append(l.Layers, e.member(d))
		}
		manifest = append(manifest, l)
	}
	if err := a.addJSON(manifestMember, manifest); err != nil {
		return err
	}
	x.Members = a.members
	if err := a.addJSON(indexMember, x); err != nil {
		return err
	}
	return a.finish()
}

// member is where a layer is, or would be.
func (e Exporter) member(d digest.Digest) string {
	if e.Compress {
		return layerMember(d, zstdSuffix)
	}
	return layerMember(d, tarSuffix)
}

// save writes those layers of an image that are wanted, and its configuration.
func (e Exporter) save(a *archive, i Needed, x *Index, wanted map[digest.Digest]bool) error {
	r, w := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = w.CloseWithError(e.Docker.Save(a.ctx, string(i.ID), w)) // which never fails, and tells the reader
	}()
	err := e.copyImage(a, i, x, wanted, tar.NewReader(r))
	if err == nil {
		_, err = io.Copy(io.Discard, r)
	}
	_ = r.CloseWithError(err) // which never fails, and ends what still writes
	<-done
	return err
}

// blobPrefix is where Docker saves files by their digests, from 25.0 on; before it saves layers as ID/layer.tar.
const blobPrefix = "blobs/"

// copyImage reads what Docker saves, in whatever order and by whatever names: a file is what its digest says.
func (e Exporter) copyImage(a *archive, i Needed, x *Index, wanted map[digest.Digest]bool, from *tar.Reader) error {
	config := false
	for {
		h, err := from.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		switch {
		case h.Typeflag != tar.TypeReg:
		case h.Size <= maxConfig && (strings.HasSuffix(h.Name, ".json") || strings.HasPrefix(h.Name, blobPrefix)):
			found, err := e.copySmall(a, i, x, wanted, from)
			if err != nil {
				return err
			}
			config = config || found
		case strings.HasSuffix(h.Name, tarSuffix) || strings.HasPrefix(h.Name, blobPrefix):
			if err := e.copyLayer(a, x, wanted, from); err != nil {
				return err
			}
		}
	}
	if !config {
		return errors.New("docker saves it without its configuration")
	}
	for _, d := range i.Layers {
		if wanted[d] {
			return fmt.Errorf("docker saves it without its layer %s", d)
		}
	}
	return nil
}

func (e Exporter) copyLayer(a *archive, x *Index, wanted map[digest.Digest]bool, from io.Reader) error {
	if len(wanted) == 0 {
		return nil
	}
	l, err := a.addLayer(from, e.Compress, wanted)
	if err == nil && l.DiffID != "" {
		x.Layers = append(x.Layers, l)
	}
	return err
}

// copySmall writes a small file if it is the image's configuration, or a layer.
func (e Exporter) copySmall(a *archive, i Needed, x *Index, wanted map[digest.Digest]bool, from io.Reader) (bool, error) {
	data, err := io.ReadAll(from)
	if err != nil {
		return false, err
	}
	if digest.FromBytes(data) == i.ID {
		return true, a.add(configMember(i.ID), data)
	}
	return false, e.copyLayer(a, x, wanted, bytes.NewReader(data))
}

// WriteFile replaces a file, which is there only when it is complete and on the disk. It sets no permissions, which FAT
// refuses.
func WriteFile(name string, fill func(*os.File) error) (err error) {
	part := name + ".part"
	f, err := os.OpenFile(part, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	if err := errors.Join(fill(f), f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(part))
	}
	if err := os.Rename(part, name); err != nil {
		return errors.Join(err, os.Remove(part))
	}
	d, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
