package device

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	pkimages "github.com/PlanktoScope/pkbuild/images"
	"github.com/PlanktoScope/pkbuild/images/source"
	"github.com/PlanktoScope/pkbuild/internal/download"
	"github.com/PlanktoScope/pkbuild/stages/docker"
	"github.com/PlanktoScope/pkbuild/stages/docker/images"
	"github.com/PlanktoScope/pkbuild/stages/docker/layerstore"
)

// Service starts and stops the Docker daemon; docker.Service implements it.
type Service interface {
	Stop(ctx context.Context) error
	Start(ctx context.Context) error
}

// repairDir is the directory, in that of Docker, for what a repair downloads.
const repairDir = "pkctl-repair"

// stageImages are the container images of a stage, and what is wrong with them.
type stageImages struct {
	host    docker.Host
	store   layerstore.Store
	pins    pkimages.Pins // of the images that Docker has, and of pinned ones
	missing []string      // names that mean no image
	damage  []layerstore.Damage
}

// inspectImages verifies the images of a stage.
func (d Device) inspectImages(ctx context.Context, stage int, depth layerstore.Depth) (s stageImages, err error) {
	names, err := images.OfStage(ctx, d.Store, stage)
	if err != nil || len(names) == 0 {
		return s, err
	}
	if s.pins, err = images.ReadPins(d.bundle(stage)); err != nil {
		return s, err
	}
	record, err := d.record()
	if err != nil {
		return s, err
	}
	if s.host, err = d.Docker.Host(ctx); err != nil {
		return s, err
	}
	if s.host.Containerd {
		return s, errors.New("container images in containerd's image store cannot be verified")
	}
	s.store = layerstore.Store{Root: s.host.Root}
	for _, name := range names {
		image, err := images.Find(ctx, d.Docker, record, s.pins, name)
		switch {
		case err == nil:
			s.pins = s.pins.With(images.PinOf(name, image))
		case errors.Is(err, docker.ErrUnavailable) || ctx.Err() != nil:
			return s, err
		default: // Docker has no such image, or cannot read what it has
			s.missing = append(s.missing, name)
			if pin, found := s.store.Find(name); found {
				s.pins = s.pins.With(pin)
			}
		}
	}
	var ids []digest.Digest
	for _, pin := range s.pins.Images {
		ids = append(ids, pin.ID)
	}
	s.damage, err = s.store.Check(ctx, depth, ids...)
	if errors.Is(err, fs.ErrNotExist) && len(s.missing) == len(names) {
		err = nil // Docker never had an image
	}
	return s, err
}

// problems describes what is wrong.
func (s stageImages) problems() (out []string) {
	for _, name := range s.missing {
		out = append(out, fmt.Sprintf("image %s is not on the device", name))
	}
	for _, damage := range s.damage {
		for _, pin := range s.pins.Images {
			if pin.ID == damage.Image && !slices.Contains(s.missing, pin.Name) {
				out = append(out, fmt.Sprintf("image %s is damaged: %s", pin.Name, damage))
			}
		}
	}
	return out
}

// VerifyImages compares the layers of a stage's container images with their digests, and returns a sentence for each
// missing image and each difference. It reads all their files and needs root. It fails if Docker does not run, or keeps
// images in containerd's store.
func (d Device) VerifyImages(ctx context.Context, stage int) ([]string, error) {
	s, err := d.inspectImages(ctx, stage, layerstore.Contents)
	if err != nil {
		return []string{}, fmt.Errorf("verify the images of stage %d: %w", stage, err)
	}
	return append([]string{}, s.problems()...), nil
}

// refuseDamaged returns an error if layers of a stage's images are damaged as a power cut leaves them: Docker counts them as
// present. It finds nothing where the store cannot be read.
func (d Device) refuseDamaged(ctx context.Context, stage int) error {
	s, err := d.inspectImages(ctx, stage, layerstore.Sizes)
	s.damage = slices.DeleteFunc(s.damage, func(l layerstore.Damage) bool { return l.Layer == "" })
	if err != nil || len(s.damage) == 0 {
		return ctx.Err()
	}
	return fmt.Errorf("%s\n(to fetch it again: pkctl stage verify %d --repair; to make it next nevertheless: "+
		"pkctl stage set-next %d --no-fetch)", strings.Join(s.problems(), "\n"), stage, stage)
}

// RepairImages downloads missing and damaged layers of a stage's container images again, and returns a sentence for
// each thing that was wrong. If layers are damaged, it stops Docker and its containers while it replaces them. It fails
// if something is still wrong, and for damage to an image that no registry is known to have.
func (d Device) RepairImages(ctx context.Context, stage int, service Service) (repaired []string, err error) {
	s, err := d.inspectImages(ctx, stage, layerstore.Contents)
	if err == nil && slices.ContainsFunc(s.damage, func(l layerstore.Damage) bool { return l.Layer != "" || !s.isMissing(l.Image) }) {
		err = d.repair(ctx, s, service)
	}
	if err == nil && len(s.problems()) > 0 {
		err = d.FetchImages(ctx, stage)
	}
	if err != nil {
		return []string{}, fmt.Errorf("repair the images of stage %d: %w", stage, err)
	}
	left, err := d.VerifyImages(ctx, stage)
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("repair the images of stage %d: still wrong: %s", stage, strings.Join(left, "; "))
	}
	return append([]string{}, s.problems()...), err
}

// isMissing reports whether Docker lacks an image.
func (s stageImages) isMissing(id digest.Digest) bool {
	return slices.ContainsFunc(s.missing, func(name string) bool {
		pin, pinned := s.pins.Find(name)
		return pinned && pin.ID == id
	})
}

// repair downloads the images with damage and writes what is damaged.
func (d Device) repair(ctx context.Context, s stageImages, service Service) error {
	platform, err := pkimages.ParsePlatform(s.host.Platform)
	if err != nil {
		return err
	}
	client := source.Client{
		Blobs: pkimages.Blobs{Dir: filepath.Join(s.host.Root, repairDir)}, Platform: platform, Retry: download.DefaultRetry(),
	}
	var all []pkimages.Image
	for _, pin := range s.pins.Images {
		if !slices.ContainsFunc(s.damage, func(l layerstore.Damage) bool { return l.Image == pin.ID }) {
			continue
		}
		if pin.Digest == "" {
			return fmt.Errorf("image %s came in a file, so no registry is known to have it: "+
				"delete it with docker image rm --force %s and import the stage again", pin.Name, pin.ID)
		}
		image, err := client.Fetch(ctx, source.Pinned{Reference: source.Reference{Name: pin.Name}, Digest: pin.Digest})
		if err != nil {
			return err
		}
		if image.ID() != pin.ID {
			return fmt.Errorf("image %s: the registry has another one, %s", pin.Name, image.ID())
		}
		all = append(all, image)
	}
	if err := service.Stop(ctx); err != nil { // it may go on stopping
		return errors.Join(err, service.Start(context.WithoutCancel(ctx)))
	}
	err = s.store.Repair(ctx, client.Blobs, all, s.damage)
	err = errors.Join(err, d.Docker.Sync(s.host.Root), service.Start(context.WithoutCancel(ctx)))
	if err != nil {
		return err
	}
	return os.RemoveAll(client.Blobs.Dir)
}
