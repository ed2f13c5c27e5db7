package recipes

import "regexp"

// hostsOwn are packages of what a container takes from its host.
var hostsOwn = regexp.MustCompile(`^(linux-image-.*|raspi-firmware|firmware-.*)$`)

// checkContainer reports what a container cannot have.
func (d *decoder) checkContainer(r *Recipe) {
	refuse := func(value any, format string, args ...any) {
		if at := d.from[value]; at != nil {
			d.problems.add(at.place, format, args...)
		}
	}
	refuse(&r.Boot, "a container runs on its host's kernel and boots nothing; remove boot, or the container section")
	refuse(&r.Disk, "a container has no disk; remove disk, or the container section")
	refuse(&r.Base.Image, "a vendor's image is for devices; choose debian or scratch")
	if at := d.from[&r.Base.Scratch]; at != nil && at.kind == boolean && !r.Base.Scratch {
		d.problems.add(at.place, "write true, or choose another base")
	}
	for i := range r.Layers {
		l := &r.Layers[i]
		refuse(&l.Install, "each layer of packages of a container is one of its own already; write packages")
		refuse(&l.Stage, "a pallet is staged on a device, not in a container; remove the layer")
		refuse(&l.Containers, "a container has no containers in it; remove the layer")
		for j := range l.Users {
			refuse(&l.Users[j].Password, "whoever has the container's image can read it; remove the password")
		}
		if r.Base.Scratch {
			refuse(&l.Packages, "there is nothing to install packages in; choose base: {debian: {suite: trixie}}")
		}
		for j, name := range l.Packages {
			if hostsOwn.MatchString(name) {
				refuse(&l.Packages[j], "a container runs on its host's kernel; remove the package")
			}
		}
	}
}
