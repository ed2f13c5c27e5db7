package builder

import (
	"fmt"
	"time"

	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/layers/boot"
	"github.com/PlanktoScope/pkbuild/layers/debian"
	"github.com/PlanktoScope/pkbuild/layers/diskimage"
	"github.com/PlanktoScope/pkbuild/recipes"
)

// Programs are the programs of this project that go into images: pkinit into every disk image, the others by request.
var Programs = []string{"pkinit", "pkctl", "pkcontroller", "pksegmenter"}

// compiler adds the layers of a recipe to a plan.
type compiler struct {
	sources  *Sources
	programs map[string]string // SHA-256 of each of Programs
	plan     *Plan
	packages []debian.Layer // package layers that are not in the plan yet
}

// Compile returns the plan of a recipe. programs has the SHA-256 of each of Programs by its name; the plan depends on
// nothing but the two arguments. The error is a lock.StaleError if the lock of the sources was made for another state of
// the recipe.
func Compile(s *Sources, programs map[string]string) (*Plan, error) {
	date, err := recipes.ParseDate(s.Recipe.Date)
	if err != nil {
		return nil, err
	}
	stack, err := s.lockedPackages()
	if err != nil {
		return nil, err
	}
	c := &compiler{sources: s, programs: programs, plan: newPlan(s.Recipe, date), packages: stack}
	if s.Recipe.Container != nil {
		return c.plan, c.ociImage()
	}
	return c.plan, c.diskImage()
}

// diskImage compiles the layers and the layout of a disk image.
func (c *compiler) diskImage() error {
	r := c.sources.Recipe
	signature := r.Disk.Signature
	if signature == "" {
		signature = fmt.Sprintf("%.4x", derive(r.Name, "disk signature"))
	}
	var err error
	if c.plan.Disk, err = diskLayout(r, signature); err != nil {
		return err
	}
	c.plan.Disk.Time = c.plan.Date
	c.base()
	if err := c.recipeLayers(); err != nil {
		return err
	}
	if err := c.checkStarter(); err != nil {
		return err
	}
	if err := c.containers(); err != nil {
		return err
	}
	c.plan.add("boot", boot.Layer{
		Signature: signature,
		Config:    r.Boot.Config,
		Cmdline:   cmdline(r, signature),
		Mounts:    mounts(r.Disk.Partitions),
		Modules:   r.Boot.Modules,
		Boards:    sortedSet(r.Boot.Boards),
		Pkinit:    c.programs["pkinit"],
		Arch:      c.foreign(),
	})
	return nil
}

// foreign returns the architecture of the plan unless it is a Raspberry Pi's.
func (c *compiler) foreign() string {
	if c.plan.Architecture == layers.Pi {
		return ""
	}
	return c.plan.Architecture
}

// base adds the vendor's image and all packages, which lie below the other layers.
func (c *compiler) base() {
	if image := c.sources.Recipe.Base.Image; image != nil {
		c.plan.add("image", vendorImage(*image))
	}
	if c.sources.Recipe.Base.Image == nil || len(c.packages[0].Packages) > 0 {
		c.plan.add("debian", c.packages[0])
	}
	for _, l := range c.packages[1:] {
		c.plan.add("install", l)
	}
	c.packages = nil
}

// recipeLayers adds the configuration of the repositories and the recipe's own layers.
func (c *compiler) recipeLayers() error {
	if files := c.sources.repositoryFiles(); len(files) > 0 {
		c.plan.add("repositories", layers.Files{Entries: files})
	}
	for _, l := range c.sources.Recipe.Layers {
		if err := c.layer(l); err != nil {
			return err
		}
	}
	return nil
}

// newPlan returns a plan without layers.
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
	return diskimage.Layer{Source: i.Source, SHA256: i.SHA256, Drop: i.Drop}
}

func (p *Plan) add(name string, l layers.Layer) {
	p.Layers = append(p.Layers, Layer{Name: name, Layer: l})
}

// compileUsers adds users. Those of a container image own files and run programs, and cannot log in.
func compileUsers(c *compiler, l recipes.Layer) error {
	var out []layers.User
	for _, u := range l.Users {
		out = append(out, layers.User{
			Name:           u.Name,
			UID:            u.UID,
			Comment:        u.Comment,
			Shell:          u.Shell,
			Groups:         u.Groups,
			Password:       u.Password,
			AuthorizedKeys: u.AuthorizedKeys,
			Locked:         c.plan.Container != nil,
		})
	}
	c.plan.add("users", layers.Users{Users: out})
	return nil
}
