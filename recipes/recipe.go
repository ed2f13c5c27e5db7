// Package recipes loads recipes, the YAML files that describe images, and reports every mistake with its position. The
// recipes and pallets that ship lie beside the code.
//
// The types of a recipe and their tags (see field) define the format: the loader, the JSON schema and docs/recipe.md are
// generated from them. The package runs and downloads nothing.
package recipes

import "fmt"

// Recipe describes a disk image or, if Container is set, a container image: base, layers, disk and boot settings.
type Recipe struct {
	Name         string            `yaml:"name" doc:"Name of the image. The host name, the disk signature and the file system UUIDs are derived from it." required:"true" pattern:"^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$" hint:"up to 63 lower-case letters, digits and inner dashes, such as planktoscope"`
	Include      []string          `yaml:"include" doc:"Recipes to start from, by path relative to this file, or as pkbuild:NAME if they ship with pkbuild, such as pkbuild:debian-pi; without variables. This file overrides them, and later ones override earlier ones; lists marked as appended begin with theirs. A file that is included twice counts once."`
	Remove       *Removal          `yaml:"remove" doc:"What to leave out of the included recipes. To replace a user or a repository, remove it and add another one of that name."`
	Vars         map[string]string `yaml:"vars" doc:"Variables: ${name} in any string is replaced by the value, $${ by a literal ${. Values here override those of includes, and --set overrides both." pattern:"^[a-z][a-z0-9_-]*$" hint:"lower-case letters, digits, dashes and underscores, such as user"`
	Architecture string            `yaml:"architecture" doc:"Debian's name of the processor architecture." enum:"arm64" default:"arm64"`
	Date         string            `yaml:"date" doc:"Time of the image: no file in it is younger, except in container images, and the device's clock starts no earlier." default:"2026-01-01" format:"date" pattern:"^[0-9]{4}-[0-9]{2}-[0-9]{2}(T.+)?$" hint:"a date such as 2026-01-31, or a time as in RFC 3339, such as 2026-01-31T12:00:00Z"`
	Base         Base              `yaml:"base" doc:"The lowest layer." required:"true" hint:"the kind of base, such as {debian: {suite: trixie}}"`
	Repositories []Repository      `yaml:"repositories" doc:"Package repositories besides the base's own." merge:"append"`
	Layers       []Layer           `yaml:"layers" doc:"Layers over the base, the lowest first." merge:"append"`
	Secrets      map[string]Secret `yaml:"secrets" doc:"Locations of values that may be in the image but not in a recipe, plan, cache or log." pattern:"^[a-z][a-z0-9_-]*$" hint:"lower-case letters, digits, dashes and underscores, such as pi-password"`
	Mirrors      map[string]string `yaml:"mirrors" doc:"Mirrors for required pallets and downloads, by prefix; the longest prefix wins: see docs/pallets.md. The environment variable PKCTL_MIRRORS overrides them." pattern:"^[A-Za-z0-9][A-Za-z0-9._~/:@-]*$" hint:"the beginning of a path, an address without https:// or the name of an image, such as github.com/"`
	Container    *Container        `yaml:"container" doc:"Configuration of a container image. The recipe then describes a container image, which has neither boot nor disk: see docs/containers.md."`
	Boot         Boot              `yaml:"boot" doc:"Boot configuration."`
	Disk         Disk              `yaml:"disk" doc:"The layout of the image. Sizes are numbers of bytes with an optional unit B, KiB, MiB, GiB or TiB."`

	Dir string `yaml:"-"` // of the recipe's file; paths in the recipe are relative to it

	nodes map[any]*node `yaml:"-"` // of each value, by pointer to the value
}

// Problem returns an error at the line and column of a value of the recipe; value is a pointer to it. The error is of type
// Problems, or has no place if the value was not written in a recipe.
func (r *Recipe) Problem(value any, format string, args ...any) error {
	var problems Problems
	if n := r.nodes[value]; n != nil {
		problems.add(n.position, format, args...)
		return problems
	}
	return fmt.Errorf(format, args...)
}

// Removal lists what a recipe leaves out of the recipes that it includes, such as packages and files.
type Removal struct {
	Packages     []string `yaml:"packages" doc:"Debian packages, of packages and install layers."`
	Repositories []string `yaml:"repositories" doc:"Names of repositories."`
	Files        []string `yaml:"files" doc:"Paths in the image of files, directories and links, also of those below an included source directory." format:"target" pattern:"^/" hint:"an absolute path without .., such as /etc/hostname"`
	Users        []string `yaml:"users" doc:"Login names."`
	Containers   []string `yaml:"containers" doc:"Names of container images, as written in the included recipe."`
	Config       []string `yaml:"config" doc:"Lines of config.txt."`
	Cmdline      []string `yaml:"cmdline" doc:"Kernel arguments."`
	Modules      []string `yaml:"modules" doc:"Kernel modules of the initramfs."`
	Boards       []string `yaml:"boards" doc:"Boards."`
}

// Base is what the layers of a recipe build on: Debian packages, a vendor's disk image, or nothing. Exactly one field
// is set.
type Base struct {
	Debian  *Debian `yaml:"debian" doc:"A Debian suite." oneof:"base"`
	Image   *Image  `yaml:"image" doc:"A vendor's disk image, such as Raspberry Pi OS Lite." oneof:"base"`
	Scratch bool    `yaml:"scratch" doc:"Nothing, for containers whose files are self-contained." oneof:"base"`
}

// Image is a base taken from a vendor's disk image, by URL or path and SHA-256. Packages are installed over it from its
// own repositories and the recipe's.
type Image struct {
	Source string   `yaml:"source" doc:"URL of the image, or its path relative to the recipe: .img, also compressed with xz, zstd, gzip or bzip2." required:"true" path:"url" hint:"a URL, or a path such as images/raspios.img.xz"`
	SHA256 string   `yaml:"sha256" doc:"SHA-256 of that file, as the vendor publishes it." required:"true" pattern:"^[0-9a-f]{64}$" hint:"the 64 hexadecimal digits, in lower case, that the vendor publishes beside the image"`
	Drop   []uint32 `yaml:"drop-partitions" doc:"Numbers of further partitions of the image to leave out, such as [3]. All partitions but 1 and 2 must be listed."`
}

// Debian is a base made of the packages of a Debian suite, such as trixie.
type Debian struct {
	Suite      string   `yaml:"suite" doc:"Code name of the suite." required:"true" pattern:"^[a-z][a-z0-9-]*$" hint:"lower-case letters, digits and dashes, such as trixie"`
	Components []string `yaml:"components" doc:"Components of the archive." default:"[main]" pattern:"^[a-z][a-z0-9/-]*$" hint:"the name of a component, such as non-free-firmware"`
	Mirror     string   `yaml:"mirror" doc:"URL of the archive. Default: the environment variable PKBUILD_MIRROR, else the mirror that apt uses on the build machine, else Debian's own." pattern:"^(https?|file)://[^ ]+$" hint:"a URL that starts with http://, https:// or file://"`
}

// Repository is a package repository, in the terms of sources.list(5).
type Repository struct {
	Name       string   `yaml:"name" doc:"Name of the repository's file in the device's /etc/apt/sources.list.d." required:"true" pattern:"^[a-z0-9][a-z0-9-]*$" hint:"lower-case letters, digits and dashes, such as debian-security"`
	URIs       []string `yaml:"uris" doc:"URLs of the archive. Builds take a mirror in place of Debian's own archive, http://ftp.debian.org/debian, as for the base." required:"true" pattern:"^(https?|file)://[^ ]+$" hint:"URLs that start with http://, https:// or file://, such as [http://security.debian.org/debian-security]"`
	Suites     []string `yaml:"suites" doc:"Code names of the suites, or paths that end with a slash." required:"true" pattern:"^[^ \r\n]+$" hint:"the names of suites, such as [trixie-security]"`
	Components []string `yaml:"components" doc:"Components of the suites; none where a suite is a path." pattern:"^[a-z0-9][a-z0-9/._-]*$" hint:"the name of a component, such as main"`
	SignedBy   string   `yaml:"signed-by" doc:"File with the public keys that sign the repository, armored or not, relative to the recipe. Default: Debian's own keys." path:"exists"`
	Use        string   `yaml:"use" doc:"Where the repository is used: in the build, on the device, or in both." enum:"both,build,device" default:"both"`
}

// Layer is one entry of a recipe's list of layers, each built on top of those before it. Exactly one field is set.
type Layer struct {
	Packages []string `yaml:"packages" doc:"Debian packages to install, without recommended packages. With an architecture behind it, as in raspi-firmware [arm64], a package is for that one only. linux-image-arm64/trixie-backports is a package of that suite of the repositories. The packages of all layers are installed in one transaction, with the base or over it." oneof:"layer" pattern:"^[a-z0-9][a-z0-9+.-]+(:[a-z0-9]+)?(/[a-z][a-z0-9-]*)?( \\[[a-z0-9]+\\])?$" hint:"the name of a Debian package, such as openssh-server"`
	Install  []string `yaml:"install" doc:"Debian packages to install over those of packages, as a layer of their own below all layers of other kinds. A change rebuilds only this layer, which takes seconds: for packages that change often." oneof:"layer" pattern:"^[a-z0-9][a-z0-9+.-]+(:[a-z0-9]+)?(/[a-z][a-z0-9-]*)?( \\[[a-z0-9]+\\])?$" hint:"the name of a Debian package, such as openssh-server"`
	Files    []File   `yaml:"files" doc:"Files, directories and symlinks." oneof:"layer"`
	Users    []User   `yaml:"users" doc:"Users to create." oneof:"layer"`
	Run      *Run     `yaml:"run" doc:"A script to run in the root file system. Its changes are the layer." oneof:"layer"`
	Stage    *Stage   `yaml:"stage" doc:"A pallet to stage as the bundle that the device starts with. It replaces the stage of an included recipe." oneof:"layer"`

	Containers *Containers `yaml:"containers" doc:"Container images in the store of the device's Docker: see docs/containers.md. The images of all layers are one store, over all other layers." oneof:"layer"`
}

// File is a file, directory or symlink that a files layer of a recipe adds. A recipe gives exactly one of Source, Program,
// Content and Link; all four are empty if it gives an empty Content, which makes an empty file.
type File struct {
	Target  string   `yaml:"target" doc:"Path in the image." required:"true" format:"target" pattern:"^/" hint:"an absolute path without .., such as /etc/hostname"`
	Source  string   `yaml:"source" doc:"File or directory to copy, relative to the recipe. A directory is merged into the target; existing directories keep their owner and mode." oneof:"file" path:"exists"`
	Exclude []string `yaml:"exclude" doc:"Files and directories below the source directory to leave out, by path relative to it." pattern:"^[^/\r\n][^\r\n]*$" hint:"a path relative to the source, such as etc/motd"`
	Content string   `yaml:"content" doc:"Content of the file." oneof:"file"`
	Program string   `yaml:"program" doc:"Program of this project to install, compiled for the image's architecture." oneof:"file" enum:"pkctl,pkcontroller,pksegmenter"`
	Link    string   `yaml:"link" doc:"Target of a symlink." oneof:"file" pattern:"^[^\r\n]+$" hint:"the target of the link, such as ../usr/lib/os-release"`
	Mode    string   `yaml:"mode" doc:"Permissions. Default: those of the source, 0755 for a program, else 0644." pattern:"^0?[0-7]{3,4}$" hint:"octal permissions in quotes, such as \"0644\""`
	UID     uint32   `yaml:"uid" doc:"Number of the owning user." default:"0"`
	GID     uint32   `yaml:"gid" doc:"Number of the owning group." default:"0"`
}

// User is a user account that a recipe creates.
type User struct {
	Name           string   `yaml:"name" doc:"Login name." required:"true" pattern:"^[a-z_][a-z0-9_-]{0,31}$" hint:"up to 32 lower-case letters, digits, dashes and underscores, such as pi"`
	UID            uint32   `yaml:"uid" doc:"Number of the user and of the group of the same name." default:"1000"`
	Comment        string   `yaml:"comment" doc:"Full name or purpose." pattern:"^[^:\r\n]*$" hint:"one line without colons, such as Microscope operator"`
	Shell          string   `yaml:"shell" doc:"Login shell." default:"/bin/bash" pattern:"^/[^:\r\n]*$" hint:"an absolute path, such as /bin/bash"`
	Groups         []string `yaml:"groups" doc:"Further groups. A group that no package creates is created as a system group." pattern:"^[a-z_][a-z0-9_-]{0,31}$" hint:"the name of a group, such as sudo"`
	Password       string   `yaml:"password" doc:"Name of the secret with the password or its crypt(3) hash. The account is locked if the secret has no value." private:"true"`
	AuthorizedKeys []string `yaml:"authorized-keys" doc:"Public keys for logging in over SSH." format:"authorized-key" private:"true" pattern:"^[^\r\n]+$" hint:"one public key in one line, as in id_ed25519.pub"`
}

// Run is the layer of a recipe that runs a script in the root file system of the image.
type Run struct {
	Script  string   `yaml:"script" doc:"The script. /bin/sh -e runs it, or the interpreter in its #! line." oneof:"run"`
	File    string   `yaml:"file" doc:"File with the script, relative to the recipe." oneof:"run" path:"exists"`
	Inputs  []string `yaml:"inputs" doc:"Files and directories for the script, relative to the recipe, in /run/pkbuild/inputs under their own names, read-only." path:"exists"`
	Network bool     `yaml:"network" doc:"Whether the script has network access. Downloads are not part of the cache key, so the script should verify them." default:"false"`
	Secrets []string `yaml:"secrets" doc:"Names of secrets for the script, in files of these names in /run/pkbuild/secrets while the script runs." private:"true" pattern:"^[a-z][a-z0-9_-]*$" hint:"the name of a secret, such as wifi-key"`
}

// Stage is the layer of a recipe that puts a pallet (files and apps for the device) into the image as its first stage.
type Stage struct {
	Pallet  string   `yaml:"pallet" doc:"Directory of the pallet, relative to the recipe." required:"true" path:"dir" hint:"the pallet's directory, such as pallets/standard"`
	Starter string   `yaml:"starter" doc:"What starts the pallet's Compose apps on the device: pkctl, which the image must then have with its units and Docker (include pkbuild:stages), or other, which is not checked." enum:"pkctl,other" default:"pkctl"`
	Names   []string `yaml:"names" doc:"Names of the bundle in the stage store." default:"[factory-reset]" format:"bundle" pattern:"^[a-z][a-z0-9-]*$" hint:"lower-case letters, digits and dashes, such as factory-reset"`
}

// Containers is the layer of a recipe that puts container images into Docker's store on the device.
type Containers struct {
	Images []ContainerImage `yaml:"images" doc:"Images in addition to those of the staged pallets' apps."`
	Stages bool             `yaml:"from-stages" doc:"Whether to include the images of all enabled Compose apps of the staged pallets." default:"true"`
	Create bool             `yaml:"create" doc:"Whether to create the containers of these apps, so that the first boot only starts them: see docs/containers.md." default:"false"`
}

// ContainerImage is a container image that a recipe puts into the disk image, by name and optional source.
type ContainerImage struct {
	Name   string `yaml:"name" doc:"Name of the image on the device, as in compose files." required:"true" format:"container" hint:"the name of a container image, such as eclipse-mosquitto:2.0.20"`
	Source string `yaml:"source" doc:"Where to copy the image from, with a path relative to the recipe. Default: the registry in the name. It also applies to apps that use an image of this name." path:"transport" pattern:"^(oci|oci-archive|docker-archive|dir):[^:\r\n]+(:[^\r\n]+)?$" hint:"oci:DIRECTORY, oci-archive:FILE, docker-archive:FILE or dir:DIRECTORY, the first three with :TAG where there are several"`
}

// Secret says where a build reads a secret from: an environment variable or a file. Exactly one field is set. A file that
// does not exist means that the secret has no value.
type Secret struct {
	Env  string `yaml:"env" doc:"Environment variable with the value." oneof:"secret" private:"true" pattern:"^[A-Za-z_][A-Za-z0-9_]*$" hint:"the name of an environment variable, such as PKBUILD_PI_PASSWORD"`
	File string `yaml:"file" doc:"File with the value, relative to the recipe, which may be missing. A line break at the end is ignored." oneof:"secret" path:"optional"`
}

// Container is the configuration of a container image in a recipe, such as its command, environment and ports.
type Container struct {
	Entrypoint []string          `yaml:"entrypoint" doc:"Program to run, with its first arguments." pattern:"^[^\x00]+$" hint:"one argument, such as /usr/sbin/mosquitto"`
	Cmd        []string          `yaml:"cmd" doc:"Further arguments, which the command line of docker run replaces." pattern:"^[^\x00]*$" hint:"one argument, such as --verbose"`
	Env        map[string]string `yaml:"env" doc:"Environment variables." pattern:"^[A-Za-z_][A-Za-z0-9_]*$" hint:"the name of an environment variable, such as TZ"`
	User       string            `yaml:"user" doc:"User name or number that runs the program, with an optional group after a colon. Default: root." pattern:"^[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?$" hint:"a name or number such as mosquitto, or both of them such as 1000:1000"`
	Workdir    string            `yaml:"workdir" doc:"Working directory." format:"target" pattern:"^/" hint:"an absolute path without .., such as /srv"`
	Ports      []string          `yaml:"ports" doc:"Ports on which the program listens." format:"port" pattern:"^[0-9]+(/(tcp|udp|sctp))?$" hint:"a number with an optional protocol, such as 1883 or 53/udp"`
	Volumes    []string          `yaml:"volumes" doc:"Directories with persistent data." format:"target" pattern:"^/" hint:"an absolute path without .., such as /var/lib/mosquitto"`
	Labels     map[string]string `yaml:"labels" doc:"Labels of the image." pattern:"^[a-z0-9]([a-z0-9._/-]*[a-z0-9])?$" hint:"a name such as org.opencontainers.image.licenses"`
	StopSignal string            `yaml:"stop-signal" doc:"Signal that stops the program. Default: SIGTERM." pattern:"^SIG[A-Z0-9+-]+$" hint:"the name of a signal, such as SIGINT"`
	Docs       bool              `yaml:"docs" doc:"Whether to include manuals and other documentation of packages. Licences are always included." default:"false"`
	Locales    []string          `yaml:"locales" doc:"Languages whose translations of packages to include." pattern:"^[a-z]{2,3}(_[A-Z]{2})?$" hint:"the code of a language, such as de or pt_BR"`
}

// Boot holds the recipe's lines for config.txt and cmdline.txt, the kernel modules of the initramfs, and the boards.
type Boot struct {
	Config    []string `yaml:"config" doc:"Lines of config.txt after those for the kernel and the initramfs." merge:"append" pattern:"^[^\r\n]*$" hint:"one line of config.txt, such as arm_boost=1"`
	Cmdline   []string `yaml:"cmdline" doc:"Kernel arguments after root= and rootfstype=." merge:"append" pattern:"^[^\r\n]+$" hint:"one kernel argument, such as console=tty1"`
	Modules   []string `yaml:"modules" doc:"Kernel modules that the initramfs loads, with their dependencies. A built-in module is ignored. One that the kernel lacks is an error, or a warning if its name ends with a question mark." merge:"append" pattern:"^[A-Za-z0-9_-]+[?]?$" hint:"the name of a kernel module, such as overlay"`
	Boards    []string `yaml:"boards" doc:"Raspberry Pis that the image must start. It is an error if their firmware, kernel or device tree is missing, or the kernel lacks the driver of their cards." merge:"append" enum:"pi3,pi3+,pi3a+,cm3,cm3+,zero2w,pi4,pi400,cm4,cm4s,pi5,pi500,cm5,cm5l"`
	RescuePin string   `yaml:"rescue-pin" doc:"GPIO pin (BCM number) of the header: a device that starts while it is connected to ground starts with its factory stage, without changes in /etc and /usr. Default: none. See docs/recovery.md." pattern:"^([0-9]|1[0-9]|2[0-7])$" hint:"a number from 0 to 27 in quotes, such as \"17\""`
}

// Disk is the disk layout in a recipe: sizes, as ParseSize reads them, and extra partitions.
type Disk struct {
	BootSize  string `yaml:"boot-size" doc:"Size of the FAT32 partition, at least 256MiB." default:"512MiB" format:"boot-size" pattern:"^[0-9]+(B|[KMGT]iB)?$" hint:"a size in B, KiB, MiB, GiB or TiB, such as 512MiB"`
	Free      string `yaml:"free" doc:"Free space in the root file system, which grows to the size of the card on the device unless another partition does." default:"512MiB" format:"size" pattern:"^[0-9]+(B|[KMGT]iB)?$" hint:"a size in B, KiB, MiB, GiB or TiB, such as 512MiB"`
	Grow      bool   `yaml:"grow" doc:"Whether the last partition grows to the size of the card in the first boot, the root file system or the one with size: rest. See docs/boot.md." default:"true"`
	Size      string `yaml:"size" doc:"Size of the whole image, rounded down to 4MiB, such as 14GiB for cards sold as 16 GB. Default: the smallest size that holds the files and free." format:"size" pattern:"^[0-9]+(B|[KMGT]iB)?$" hint:"a size in B, KiB, MiB, GiB or TiB, such as 14GiB"`
	Signature string `yaml:"signature" doc:"Disk signature. Default: derived from the name." pattern:"^[0-9a-f]{8}$" hint:"eight hexadecimal digits in lower case and in quotes, such as \"5e2a91c4\""`
	Shared    bool   `yaml:"shared-identity" doc:"Whether all cards keep the identity of the image. By default the first boot gives each a disk identifier, UUID and serial number of its own. See docs/boot.md."`

	Partitions []Partition `yaml:"partitions" doc:"Up to two partitions besides boot and root. See docs/image.md." merge:"append"`
}

// Partition is a partition of the recipe's disk besides boot and root: mount point, format, size and label.
type Partition struct {
	Mount  string `yaml:"mount" doc:"Mount point. The files of the partition are those below it in the image." required:"true" format:"mount" pattern:"^/" hint:"an absolute path, such as /data"`
	Format string `yaml:"format" doc:"Format of the file system. FAT32 can be read on all computers, and has no owners, modes and links." enum:"ext4,fat32" default:"ext4"`
	Size   string `yaml:"size" doc:"Size, rounded up to 4MiB, or rest: what is left of the disk, which grows to the size of the card in the first boot." required:"true" format:"partition-size" pattern:"^(rest|[0-9]+(B|[KMGT]iB)?)$" hint:"a size in B, KiB, MiB, GiB or TiB, such as 4GiB, or rest"`
	Label  string `yaml:"label" doc:"Label of the file system: up to 16 characters on ext4, 11 on FAT32." pattern:"^[A-Za-z0-9_-]{1,16}$" hint:"letters, digits, dashes and underscores, such as data"`
}
