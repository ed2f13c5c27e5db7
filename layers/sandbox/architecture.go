package sandbox

import (
	"debug/elf"
	"runtime"
)

// Host returns Debian's name of the building machine's architecture, such as amd64.
func Host() string {
	if runtime.GOARCH == "arm" {
		return "armhf"
	}
	return runtime.GOARCH
}

// triplets are the multiarch names of architectures, such as x86_64-linux-gnu.
var triplets = map[string]string{
	"amd64": "x86_64-linux-gnu",
	"arm64": "aarch64-linux-gnu",
	"armhf": "arm-linux-gnueabihf",
	"i386":  "i386-linux-gnu",
}

// Triplet returns the multiarch name of a Debian architecture, such as aarch64-linux-gnu, which is the directory of its
// libraries below /usr/lib; "" for an unknown one.
func Triplet(architecture string) string { return triplets[architecture] }

// machines are the values of e_machine in the programs of an architecture.
var machines = map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64, "armhf": elf.EM_ARM, "i386": elf.EM_386}

// Machine returns the value of e_machine in the programs of a Debian architecture; elf.EM_NONE for an unknown one.
func Machine(architecture string) elf.Machine { return machines[architecture] }

// emulators are QEMU's names of architectures. The programs must be static, as they run in the tree.
var emulators = map[string]string{"amd64": "x86_64", "arm64": "aarch64", "armhf": "arm", "i386": "i386", "riscv64": "riscv64"}

// Emulator returns QEMU's name of a Debian architecture, such as aarch64 for arm64; "" for an unknown one.
func Emulator(architecture string) string { return emulators[architecture] }
