package device

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/PlanktoScope/pkbuild/stages/docker"
	"github.com/PlanktoScope/pkbuild/stages/docker/images"
	"github.com/PlanktoScope/pkbuild/stages/store"
	"github.com/PlanktoScope/pkbuild/stages/transfer"
)

// Imported is the result of an import: the stage's number, whether its bundle was new, and the loaded images.
type Imported struct {
	Stage  int      `json:"stage"`
	There  bool     `json:"there"`  // whether the bundle was on the device before
	Images []string `json:"images"` // that were loaded
	Next   bool     `json:"next"`
}

// Import adds the stage in a file that another device exported, with its container images, and makes it the next stage
// if asked. A stage that is on the device already is not added again. If a needed image is neither in the file nor on
// the device, the stage is added, but making it next fails.
func (d Device) Import(ctx context.Context, name string, next bool) (Imported, error) {
	if err := d.addToStore(ctx, func(*store.Store) error { return nil }); err != nil { // before gigabytes are read
		return Imported{}, err
	}
	f, err := os.Open(name)
	if err != nil {
		return Imported{}, fmt.Errorf("import a stage: %w", err)
	}
	defer f.Close() // it was only read
	m := transfer.Importer{Docker: d.Docker, Store: d.Store, Space: transfer.Statfs, Notify: d.transferEvent}
	file, err := transfer.Read(f)
	if err != nil {
		return Imported{}, fmt.Errorf("import %s: %w", name, err)
	}
	plan, err := m.Plan(ctx, file)
	if err != nil {
		return Imported{}, fmt.Errorf("import %s: %w", name, err)
	}
	out, err := d.perform(ctx, m, plan, next)
	if err != nil {
		return Imported{}, fmt.Errorf("import %s: %w", name, err)
	}
	return out, nil
}

func (d Device) transferEvent(e transfer.Event) {
	if d.OnTransfer != nil {
		d.OnTransfer(e)
	}
}

// perform executes a plan. The images come before the stage, and their record before the images, so that whenever it
// ends, no stage lacks its images, and prune finds them. The store is not locked while images are loaded.
func (d Device) perform(ctx context.Context, m transfer.Importer, plan *transfer.Plan, next bool) (out Imported, err error) {
	out = Imported{Stage: plan.Stage, There: plan.Stage != 0, Images: []string{}, Next: next}
	unlock, err := d.lockImages(ctx)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if len(plan.Record.Images) > 0 {
		if err := d.changeStore(ctx, func(*store.Store) error { return plan.WriteRecord(d.Store) }); err != nil {
			return out, err
		}
	}
	if err := m.LoadImages(ctx, plan); err != nil {
		return out, err
	}
	for _, i := range plan.Load {
		out.Images = append(out.Images, i.Names...)
	}
	err = d.changeStore(ctx, func(s *store.Store) (err error) {
		if !out.There {
			out.Stage, err = s.Add(ctx, plan.Manifest(), plan.Fill)
		}
		if err == nil {
			err = images.WritePins(d.bundle(out.Stage), plan.Pins())
		}
		if err != nil || !next {
			return err
		}
		return d.setNextComplete(ctx, s, out.Stage)
	})
	return out, err
}

// setNextComplete makes a stage the next one if all its images are on the device.
func (d Device) setNextComplete(ctx context.Context, s *store.Store, stage int) error {
	names, err := images.OfStage(ctx, d.Store, stage)
	if err == nil && len(names) > 0 {
		var missing []string
		missing, err = d.missing(ctx, stage, names)
		if err == nil && len(missing) > 0 {
			err = fmt.Errorf("image %s is neither in the file nor on this device", missing[0])
		}
	}
	if err != nil {
		return fmt.Errorf("stage %d was imported, but not made next: %w", stage, err)
	}
	return s.SetNext(stage)
}

func (d Device) missing(ctx context.Context, stage int, names []string) ([]string, error) {
	pins, err := images.ReadPins(d.bundle(stage))
	if err != nil {
		return nil, err
	}
	record, err := d.record()
	if err != nil {
		return nil, err
	}
	host, err := d.Docker.Host(ctx)
	if err != nil {
		return nil, err
	}
	return images.Missing(ctx, d.Docker, host, record, pins, names)
}

// Export holds the options of an export: the stage, the output file, and the inventory of the device that will import
// it.
type Export struct {
	Stage     string // number, name or role
	File      string // to write, which must not exist
	Inventory string // file with the inventory of the device that the export is for; "": all layers are written
	Compress  bool   // compress layers with zstd
	NoSpace   bool   // do not check for free space first
}

// Export writes a stage and its container images to a file, for import on another device. It fails if the file exists;
// a failed export leaves none.
func (d Device) Export(ctx context.Context, e Export) (transfer.Exported, error) {
	n, err := d.Resolve(e.Stage)
	if err != nil {
		return transfer.Exported{}, err
	}
	x := transfer.Exporter{Docker: d.Docker, Store: d.Store, Compress: e.Compress, Space: transfer.Statfs, Notify: d.transferEvent}
	if e.NoSpace {
		x.Space = nil
	}
	if e.Inventory != "" {
		data, err := os.ReadFile(e.Inventory)
		if err != nil {
			return transfer.Exported{}, fmt.Errorf("read the inventory: %w", err)
		}
		v, err := transfer.ParseInventory(data)
		if err != nil {
			return transfer.Exported{}, fmt.Errorf("%s: %w", e.Inventory, err)
		}
		x.For = &v
	}
	return x.Export(ctx, n, e.File)
}

// Inventory lists the stages and the layers of container images on the device. Without Docker it lists no images and
// gives a warning.
func (d Device) Inventory(ctx context.Context) (transfer.Inventory, error) {
	if _, err := d.Numbers(); err != nil {
		return transfer.Inventory{}, err
	}
	v, err := transfer.TakeInventory(ctx, d.Docker, d.Store)
	if errors.Is(err, docker.ErrUnavailable) {
		d.warn(fmt.Errorf("the inventory has no images: %w", err))
		return v, nil
	}
	return v, err
}

// LinkImages adds the digests of images that were imported from a file to Docker's table of image names, and returns
// how many it added. Docker must not run.
func (d Device) LinkImages() (int, error) {
	record, err := d.record()
	if err != nil {
		return 0, err
	}
	return images.AddDigests(record)
}
