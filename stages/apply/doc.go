// Package apply makes a device run the Compose apps of its stage, looks whether the device is well with it, and says the
// verdict on the stage.
//
// The stage is the one that pkinit chose for this boot; nothing here chooses one. Apps of other stages are removed, those
// that the user started on his own are left alone: what tells them apart is the directory that Compose notes at each
// container. A stage is good if its containers run and are healthy, systemd reaches boot-complete.target with all that
// this requires (systemd.special(7)), and the administrator's and the packages' own checks pass. After a bad verdict on a
// stage that is not yet proven the device starts anew, with files and containers of another stage, if there is another
// one to start with.
//
// Docker is reached through its command line (https://docs.docker.com/reference/cli/docker/compose/), systemd through
// systemctl. The package mounts nothing and pulls no image unless it is told to.
package apply
