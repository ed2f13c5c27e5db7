package scenario

import (
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"

	"github.com/PlanktoScope/pkbuild/internal/shell"
	"github.com/PlanktoScope/pkbuild/overlays"
)

const unitProperties = "LoadState,ActiveState,SubState,Result,UnitFileState,FragmentPath,NeedDaemonReload"

func (c *checker) unit(name string, want *Unit) {
	out := c.run("systemctl show -p "+unitProperties+" -- "+shell.Quote(name), queryLimit)
	if out.Code != 0 {
		c.fail(want, "systemctl show %s: exit code %d: %s", name, out.Code, tail(out.Text))
		return
	}
	got := map[string]string{}
	for line := range strings.SplitSeq(out.Text, "\n") {
		key, value, _ := strings.Cut(line, "=")
		got[key] = value
	}
	equal(c, &want.Load, name+": LoadState", got["LoadState"])
	equal(c, &want.Active, name+": ActiveState", got["ActiveState"])
	equal(c, &want.Sub, name+": SubState", got["SubState"])
	equal(c, &want.Result, name+": Result", got["Result"])
	equal(c, &want.FileState, name+": UnitFileState", got["UnitFileState"])
	equal(c, &want.Path, name+": FragmentPath", got["FragmentPath"])
	c.flag(&want.NeedReload, name+": NeedDaemonReload", got["NeedDaemonReload"] == "yes")
}

func (c *checker) failed(e *Expectations) {
	if e.Failed == nil || c.err != nil {
		return
	}
	out := c.run("systemctl list-units --failed --all --plain --no-legend --full", queryLimit)
	var got []string
	for line := range strings.Lines(out.Text) {
		name, _, _ := strings.Cut(line, " ")
		got = append(got, name)
	}
	want := slices.Sorted(slices.Values(e.Failed))
	if slices.Sort(got); out.Code != 0 || !slices.Equal(got, want) {
		c.fail(&e.Failed, "failed units are [%s], want [%s]", strings.Join(got, " "), strings.Join(want, " "))
	}
}

// mount is a mount in the guest.
type mount struct {
	info    *mountinfo.Info
	overlay overlays.Mount
}

// readMounts reads the guest's mounts once. Of several on one mount point the last counts, which hides the others.
func (c *checker) readMounts() {
	if c.mounts != nil {
		return
	}
	c.mounts = map[string]mount{}
	out := c.run("cat /proc/self/mountinfo", queryLimit)
	infos, err := mountinfo.GetMountsFromReader(strings.NewReader(out.Text), nil)
	if c.err != nil {
		return
	}
	c.err = err
	for _, info := range infos {
		m := mount{info: info}
		if info.FSType == "overlay" {
			if m.overlay, err = overlays.ParseOptions(info.VFSOptions); err != nil {
				c.err = err
			}
		}
		c.mounts[info.Mountpoint] = m
	}
}

func (c *checker) mount(name string, want *Mount) {
	c.readMounts()
	got, mounted := c.mounts[name]
	switch {
	case want.Absent && mounted:
		c.fail(&want.Absent, "%s is a mount of %s, want none", name, got.info.Source)
	case !want.Absent && !mounted:
		c.fail(want, "%s is not a mount point", name)
	}
	if !mounted {
		return
	}
	equal(c, &want.Type, "type", got.info.FSType)
	equal(c, &want.Source, "source", got.info.Source)
	equal(c, &want.Root, "root", got.info.Root)
	equal(c, &want.Upperdir, "upperdir", got.overlay.Upperdir)
	if want.Lowerdirs != nil && !slices.Equal(want.Lowerdirs, got.overlay.Lowerdirs) {
		c.fail(&want.Lowerdirs, "lowerdirs are %s, want %s", strings.Join(got.overlay.Lowerdirs, ":"), strings.Join(want.Lowerdirs, ":"))
	}
	options := strings.Split(got.info.Options+","+got.info.VFSOptions, ",")
	for i, option := range want.Options {
		if !slices.Contains(options, option) {
			c.fail(&want.Options[i], "options are %s and %s, want %s among them", got.info.Options, got.info.VFSOptions, option)
		}
	}
}
