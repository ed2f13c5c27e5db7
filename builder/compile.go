package builder

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/PlanktoScope/pkbuild/builder/disk"
	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/layers/boot"
	"github.com/PlanktoScope/pkbuild/layers/diskimage"
	"github.com/PlanktoScope/pkbuild/recipes"
	"github.com/PlanktoScope/pkbuild/stages/pallet/mirror"
	"github.com/PlanktoScope/pkbuild/stages/report"
)

// Inputs are what a plan is compiled from besides the recipe and the sources that it names.
type Inputs struct {
	Programs map[string]string // SHA-256 of each of Programs, made for the recipe's architecture
	Lock     *Lock             // may be nil: the newest packages are taken when the image is built
	Cache    string            // for what pallets require and download; without it they may do neither
	Mirrors  mirror.Mirrors    // of this machine, for the same; they win over the recipe's
}

// Programs are those of this project that go into images: the early-boot helper, and what a recipe installs by name.
var Programs = []string{"pkinit", "pkctl"}

// Compile turns a recipe into a plan. It reads the sources that the recipe names, to record their digests, and what its
// pallets require and download, which is pinned by them and by the lock and comes from the cache if it is there: the
// same recipe, sources and lock give the same plan.
func Compile(ctx context.Context, r *recipes.Recipe, in Inputs) (p *Plan, err error) {
	date, err := recipes.ParseDate(r.Date)
	if err != nil {
		return nil, err
	}
	if r.Container != nil {
		return compileContainer(ctx, r, in, date)
	}
	signature := r.Disk.Signature
	if signature == "" {
		signature = fmt.Sprintf("%.4x", derive(r.Name, "disk signature"))
	}
	layout, err := diskLayout(r, signature)
	if err != nil {
		return nil, err
	}
	layout.Time = date
	p = newPlan(r, date)
	p.Disk = layout
	packages, err := packageLayers(r, in.Lock)
	if err != nil {
		return nil, err
	}
	if image := r.Base.Image; image != nil {
		p.add("image", vendorImage(*image))
	}
	if r.Base.Image == nil || len(packages[0].Packages) > 0 {
		p.add("debian", packages[0])
	}
	for _, l := range packages[1:] {
		p.add("install", l)
	}
	sources, err := repositoryEntries(r)
	if err != nil {
		return nil, err
	}
	if len(sources) > 0 {
		p.add("repositories", layers.Files{Entries: sources})
	}
	fetch := newPallets(r, in)
	for _, l := range r.Layers {
		if err := p.addLayer(ctx, r.Dir, l, in.Programs, fetch); err != nil {
			return nil, err
		}
	}
	if err := fetch.downloads.misfit(); err != nil {
		return nil, err
	}
	if err := p.addContainers(ctx, r, in); err != nil {
		return nil, err
	}
	p.add("boot", boot.Layer{
		Signature: signature,
		Config:    r.Boot.Config,
		Cmdline:   cmdline(r),
		Modules:   r.Boot.Modules,
		Pkinit:    in.Programs["pkinit"],
	})
	return p, nil
}

// newPlan is a plan that makes nothing yet.
func newPlan(r *recipes.Recipe, date time.Time) *Plan {
	p := &Plan{
		Version:      PlanVersion,
		Name:         r.Name,
		Architecture: r.Architecture,
		Date:         date,
		Secrets:      map[string]Secret{},
	}
	for name, s := range r.Secrets {
		p.Secrets[name] = Secret(s)
	}
	return p
}

func vendorImage(i recipes.Image) diskimage.Layer {
	return diskimage.Layer{Source: i.Source, SHA256: i.SHA256}
}

// cmdline is the arguments of the kernel that the recipe asks for.
func cmdline(r *recipes.Recipe) []string {
	if r.Disk.Grow {
		return append([]string{report.GrowArgument}, r.Boot.Cmdline...)
	}
	return r.Boot.Cmdline
}

func (p *Plan) add(name string, l layers.Layer) {
	p.Layers = append(p.Layers, Layer{Name: name, Layer: l})
}

func (p *Plan) addLayer(ctx context.Context, dir string, l recipes.Layer, programs map[string]string, fetch *pallets) error {
	switch {
	case l.Files != nil:
		entries, err := fileEntries(dir, l.Files, programs)
		if err != nil {
			return err
		}
		p.add("files", layers.Files{Entries: entries})
	case l.Users != nil:
		p.add("users", layers.Users{Users: users(l.Users)})
	case l.Run != nil:
		run, err := p.script(dir, *l.Run)
		if err != nil {
			return err
		}
		p.add("run", run)
	case l.Stage != nil:
		entries, err := stageEntries(ctx, dir, *l.Stage, fetch)
		if err != nil {
			return err
		}
		p.add("stage", layers.Files{Entries: entries})
	}
	return nil
}

// packages are those of all layers, each once, in alphabetical order: they are installed in one transaction.
func packages(all []recipes.Layer) []string {
	var names []string
	for _, l := range all {
		names = append(names, l.Packages...)
	}
	return sorted(names)
}

// sorted are names in alphabetical order, each once.
func sorted(names []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(names)))
}

func users(in []recipes.User) []layers.User {
	var out []layers.User
	for _, u := range in {
		out = append(out, layers.User{
			Name:           u.Name,
			UID:            u.UID,
			Comment:        u.Comment,
			Shell:          u.Shell,
			Groups:         u.Groups,
			Password:       u.Password,
			AuthorizedKeys: u.AuthorizedKeys,
		})
	}
	return out
}

func diskLayout(r *recipes.Recipe, signature string) (disk.Layout, error) {
	id, err := strconv.ParseUint(signature, 16, 32)
	if err != nil {
		return disk.Layout{}, fmt.Errorf("disk signature: %w", err)
	}
	boot, err := recipes.ParseSize(r.Disk.BootSize)
	if err != nil {
		return disk.Layout{}, fmt.Errorf("disk boot-size: %w", err)
	}
	free, err := recipes.ParseSize(r.Disk.Free)
	if err != nil {
		return disk.Layout{}, fmt.Errorf("disk free: %w", err)
	}
	var size int64
	if r.Disk.Size != "" {
		if size, err = recipes.ParseSize(r.Disk.Size); err != nil {
			return disk.Layout{}, fmt.Errorf("disk size: %w", err)
		}
	}
	root := uuid.NewSHA1(uuid.NameSpaceURL, []byte("pkbuild root file system of "+r.Name))
	serial := derive(r.Name, "boot file system")
	return disk.Layout{
		Signature: uint32(id),
		Size:      size,
		Boot:      disk.Boot{Label: "bootfs", Size: boot, Serial: binary.BigEndian.Uint32(serial[:])},
		Root:      disk.Root{Label: "rootfs", Free: free, UUID: root},
	}, nil
}

// derive makes the numbers of an image that must differ between images and be equal between builds of one.
func derive(name, purpose string) [sha256.Size]byte {
	return sha256.Sum256([]byte("pkbuild " + purpose + " of " + name))
}
