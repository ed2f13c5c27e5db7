package recipes

import "regexp"

// hostPackages matches packages that a container uses from its host.
var hostPackages = regexp.MustCompile(`^(linux-image-.*|raspi-firmware|firmware-.*)$`)

// checkContainer reports keys that a recipe of a container image cannot have.
func (d *decoder) checkContainer(r *Recipe) {
	refuse := func(value any, format string, args ...any) {
		if at := d.from[value]; at != nil {
			d.problems.add(at.position, format, args...)
		}
	}
	refuse(&r.Boot, "a container does not boot; remove boot, or the container section")
	refuse(&r.Disk, "a container has no disk; remove disk, or the container section")
	refuse(&r.Base.Image, "a vendor's image is for devices; choose debian or scratch")
	if at := d.from[&r.Base.Scratch]; at != nil && at.kind == boolean && !r.Base.Scratch {
		d.problems.add(at.position, "write true, or choose another base")
	}
	for i := range r.Layers {
		l := &r.Layers[i]
		refuse(&l.Install, "in a container every packages layer is a layer of its own; write packages")
		refuse(&l.Stage, "a pallet is staged on a device, not in a container; remove the layer")
		refuse(&l.Containers, "a container has no containers in it; remove the layer")
		for j := range l.Users {
			refuse(&l.Users[j].Password, "everybody who has the container image can read the password; remove it")
		}
		if r.Base.Scratch {
			refuse(&l.Packages, "scratch has no packages to install over; choose base: {debian: {suite: trixie}}")
		}
		for j, name := range l.Packages {
			if hostPackages.MatchString(name) {
				refuse(&l.Packages[j], "a container runs on its host's kernel; remove the package")
			}
		}
	}
}
