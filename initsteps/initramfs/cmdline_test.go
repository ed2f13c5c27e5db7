package initramfs

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParseCmdline(t *testing.T) {
	for line, want := range map[string]Cmdline{
		"": {},
		"coherent_pool=1M console=serial0,115200 console=tty1 root=PARTUUID=5d8f1a2b-02 rootfstype=ext4 fsck.repair=yes rootwait quiet ro\n": {
			Root: "PARTUUID=5d8f1a2b-02", Type: "ext4", Modules: map[string]string{"fsck": "repair=yes"},
		},
		"root=/dev/sda1 root=LABEL=rootfs rootflags=data=journal,noatime rootdelay=5 init=/bin/sh": {
			Root: "LABEL=rootfs", Flags: "data=journal,noatime", Delay: 5 * time.Second, Init: "/bin/sh",
		},
		`a="b root=/dev/x" root="LABEL=my root"`: {Root: "LABEL=my root"},
		"root=/dev/a -- root=/dev/b init=/x":     {Root: "/dev/a"},
		"systemd.watchdog_sec=60":                {Watchdog: 60, Modules: map[string]string{"systemd": "watchdog_sec=60"}},
		"systemd.watchdog_sec=60 systemd.watchdog_sec=off": {Watchdog: 60,
			Modules: map[string]string{"systemd": "watchdog_sec=60 watchdog_sec=off"}},
		"module_blacklist=bcm2835_wdt,usb-storage": {Blacklist: []string{"bcm2835_wdt", "usb_storage"}},
		"rootdelay=-1 rootdelay=x rootdelay":       {},
		"usb-storage.quirks=152d:0578:u usb_storage.delay_use=0 ext4.debug": {
			Modules: map[string]string{"usb_storage": "quirks=152d:0578:u delay_use=0", "ext4": "debug"},
		},
	} {
		if want.Modules == nil {
			want.Modules = map[string]string{}
		}
		require.Equal(t, want, ParseCmdline(line), line)
	}
}

func FuzzParseCmdline(f *testing.F) {
	f.Add(`root=LABEL="a b" rootdelay=3 -- x.y=z`)
	f.Fuzz(func(_ *testing.T, line string) { ParseCmdline(line) })
}
