// Package apply starts the Compose apps of a device's stage, checks the health of the device, and records the verdict on the
// stage.
//
// pkinit has chosen the stage of this boot; this package chooses none. It removes the apps of other stages and leaves alone
// those that the user started, which it tells apart by the project directory in the labels of each container. A stage is
// good if its containers run and are healthy, systemd reaches boot-complete.target with everything that this requires
// (systemd.special(7)), and the checks of packages and of the administrator pass. After a bad verdict on an unproven stage
// the device reboots if that leads to another stage.
//
// Docker is reached through its command line (https://docs.docker.com/reference/cli/docker/compose/), systemd through
// systemctl. The package mounts nothing, and pulls images only on request.
package apply
