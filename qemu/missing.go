package qemu

import "regexp"

// missingPackage returns what to install when QEMU's messages show that a part of it is missing; "" if they do not.
// Distributions split QEMU, and an installation without recommended packages lacks some parts.
func missingPackage(stderr string) string {
	for _, m := range []struct{ message, advice string }{
		{`failed to find romfile "(efi-|pxe-)`, "run: apt install ipxe-qemu"},
		{`failed to find romfile|[Cc]ould not load (PC BIOS|VGA BIOS)`, "run: apt install qemu-system-data seabios"},
		{`[Cc]ould not (load|find).*(QEMU_EFI|AAVMF|edk2)`, "run: apt install qemu-efi-aarch64"},
		{`could not read keymap file`, "run: apt install qemu-system-data"},
		{`network backend '?user'? is not compiled|Parameter 'type' expects a netdev backend type`, "QEMU lacks user-mode networking (libslirp): run: apt install " + pkg},
		{`Unknown driver|Failed to load module|failed to open module`, "run: apt install qemu-system-common qemu-block-extra"},
		{`error while loading shared libraries`, "run: apt install --reinstall " + pkg},
		{`[Uu]nsupported machine type`, "QEMU is too old for this machine: 7.2 is needed"},
		{`'.*' is not a valid device model name`, "run: apt install qemu-system-common"},
		{`Permission denied.*/dev/kvm|/dev/kvm.*Permission denied`, "add yourself to the group kvm"},
	} {
		if regexp.MustCompile(m.message).MatchString(stderr) {
			return m.advice
		}
	}
	return ""
}
