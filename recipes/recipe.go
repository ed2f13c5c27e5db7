// Package recipes reads the YAML in which a maintainer describes an image, and reports every mistake in it with its
// place. The recipes and pallets that ship lie beside the code.
//
// The types below are the one source of the format: the loader, the JSON schema and docs/recipe.md are made from their
// fields and tags (see field). The package runs nothing, downloads nothing and knows nothing of disks.
package recipes

// Recipe describes one image: of a disk or, with Container, of a container.
type Recipe struct {
	Name         string            `yaml:"name" doc:"Name of the image. The host name, the disk signature and the file system UUIDs are derived from it." required:"true" pattern:"^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$" hint:"up to 63 lower-case letters, digits and inner dashes, such as planktoscope"`
	Include      []string          `yaml:"include" doc:"Recipes to start from, by path relative to this file, without variables. What this file says wins over them, and later ones win over earlier ones; lists marked as appended begin with theirs. A file that is included twice counts once."`
	Vars         map[string]string `yaml:"vars" doc:"Variables: ${name} in any string stands for the value, $${ for a literal ${. What includes set can be set anew here, and --set wins over both." pattern:"^[a-z][a-z0-9_-]*$" hint:"lower-case letters, digits, dashes and underscores, such as user"`
	Architecture string            `yaml:"architecture" doc:"Debian's name of the processor architecture." enum:"arm64" default:"arm64"`
	Date         string            `yaml:"date" doc:"The time of the image: no file in it is younger, those of container images aside, and the device's clock starts no earlier." default:"2026-01-01" format:"date" pattern:"^[0-9]{4}-[0-9]{2}-[0-9]{2}(T.+)?$" hint:"a date such as 2026-01-31, or a time as in RFC 3339, such as 2026-01-31T12:00:00Z"`
	Base         Base              `yaml:"base" doc:"What lies below all layers." required:"true" hint:"the kind of base, such as {debian: {suite: trixie}}"`
	Repositories []Repository      `yaml:"repositories" doc:"Archives of packages besides the base's own." merge:"append"`
	Layers       []Layer           `yaml:"layers" doc:"What is laid over the base, in this order." merge:"append"`
	Secrets      map[string]Secret `yaml:"secrets" doc:"Where values come from that may be in the image but in no recipe, plan, cache or log." pattern:"^[a-z][a-z0-9_-]*$" hint:"lower-case letters, digits, dashes and underscores, such as pi-password"`
	Mirrors      map[string]string `yaml:"mirrors" doc:"Where pallets look for what they require and download, by the beginnings of names, of which the longest wins: see docs/pallets.md. What the environment's PKCTL_MIRRORS says wins over it." pattern:"^[A-Za-z0-9][A-Za-z0-9._~/:@-]*$" hint:"the beginning of a path, an address without https:// or the name of an image, such as github.com/"`
	Container    *Container        `yaml:"container" doc:"What runs in a container of this recipe, which then describes an image of a container and has neither boot nor disk: see docs/containers.md."`
	Boot         Boot              `yaml:"boot" doc:"How the device starts."`
	Disk         Disk              `yaml:"disk" doc:"The layout of the image. Sizes are numbers of bytes with an optional unit B, KiB, MiB, GiB or TiB."`

	Dir string `yaml:"-"` // directory of the recipe's file: all paths in the recipe are relative to it
}

// Base is the first layer: exactly one of its fields is set.
type Base struct {
	Debian  *Debian `yaml:"debian" doc:"A suite of Debian." oneof:"base"`
	Image   *Image  `yaml:"image" doc:"A disk image as its vendor publishes it, such as Raspberry Pi OS Lite." oneof:"base"`
	Scratch bool    `yaml:"scratch" doc:"Nothing, for containers whose files bring all that their programs need." oneof:"base"`
}

// Image is a base that a vendor made. Packages go over it, from its own sources and from the recipe's repositories.
type Image struct {
	Source string `yaml:"source" doc:"URL of the image, or its path relative to the recipe: .img, .img.xz or .img.zst." required:"true" path:"url" hint:"a URL, or a path such as images/raspios.img.xz"`
	SHA256 string `yaml:"sha256" doc:"SHA-256 of that file, as its vendor states it." required:"true" pattern:"^[0-9a-f]{64}$" hint:"the 64 hexadecimal digits, in lower case, that the vendor states beside the image"`
}

// Debian is a base made of a suite's packages.
type Debian struct {
	Suite      string   `yaml:"suite" doc:"Code name of the suite." required:"true" pattern:"^[a-z][a-z0-9-]*$" hint:"lower-case letters, digits and dashes, such as trixie"`
	Components []string `yaml:"components" doc:"Components of the archive." default:"[main]" pattern:"^[a-z][a-z0-9/-]*$" hint:"the name of a component, such as non-free-firmware"`
	Mirror     string   `yaml:"mirror" doc:"URL of the archive. Without it: the environment's PKBUILD_MIRROR, else the mirror that apt uses on the building machine, else Debian's own." pattern:"^(https?|file)://[^ ]+$" hint:"a URL that starts with http://, https:// or file://"`
}

// Repository is an archive of packages, in the words of sources.list(5), deb822 style.
type Repository struct {
	Name       string   `yaml:"name" doc:"Name of its file in the device's /etc/apt/sources.list.d." required:"true" pattern:"^[a-z0-9][a-z0-9-]*$" hint:"lower-case letters, digits and dashes, such as debian-security"`
	URIs       []string `yaml:"uris" doc:"URLs of the archive." required:"true" pattern:"^(https?|file)://[^ ]+$" hint:"URLs that start with http://, https:// or file://, such as [http://security.debian.org/debian-security]"`
	Suites     []string `yaml:"suites" doc:"Code names of the suites, or paths that end with a slash." required:"true" pattern:"^[^ \r\n]+$" hint:"the names of suites, such as [trixie-security]"`
	Components []string `yaml:"components" doc:"Components of the suites; none where a suite is a path." pattern:"^[a-z0-9][a-z0-9/._-]*$" hint:"the name of a component, such as main"`
	SignedBy   string   `yaml:"signed-by" doc:"File with the public keys that sign it, armored or not, relative to the recipe. Without it Debian's own keys sign it." path:"exists"`
	Use        string   `yaml:"use" doc:"Who takes packages from it: the build of the image, the device later on, or both." enum:"both,build,device" default:"both"`
}

// Layer is laid over those before it: exactly one of its fields is set.
type Layer struct {
	Packages []string `yaml:"packages" doc:"Debian packages to install, without what they only recommend. The packages of all layers are installed in one transaction, with the base or over it." oneof:"layer" pattern:"^[a-z0-9][a-z0-9+.-]+(:[a-z0-9]+)?$" hint:"the name of a Debian package, such as openssh-server"`
	Install  []string `yaml:"install" doc:"Debian packages to install over those of packages, as a layer of their own that lies below all layers of other kinds. Another package in it leaves the layer of packages as it is, so that the image is there within seconds: for packages that change often." oneof:"layer" pattern:"^[a-z0-9][a-z0-9+.-]+(:[a-z0-9]+)?$" hint:"the name of a Debian package, such as openssh-server"`
	Files    []File   `yaml:"files" doc:"Files, directories and links to put in place." oneof:"layer"`
	Users    []User   `yaml:"users" doc:"Users to create." oneof:"layer"`
	Run      *Run     `yaml:"run" doc:"A script to run inside the tree. What it changes is the layer." oneof:"layer"`
	Stage    *Stage   `yaml:"stage" doc:"A pallet to stage as the bundle that the device starts with, in place of that of an included recipe." oneof:"layer"`

	Containers *Containers `yaml:"containers" doc:"Container images that Docker on the device has from its first start on: see docs/containers.md. Those of all layers make one store, over all other layers." oneof:"layer"`
}

// File is one entry of a files layer. Exactly one of Source, Program, Content and Link is given; where the others are
// empty it is Content, which may be the empty text.
type File struct {
	Target  string `yaml:"target" doc:"Where it lies in the image." required:"true" format:"target" pattern:"^/" hint:"an absolute path without .., such as /etc/hostname"`
	Source  string `yaml:"source" doc:"File or directory to copy, relative to the recipe. A directory is merged into the target with all below it; directories that are there already keep their owner and mode." oneof:"file" path:"exists"`
	Content string `yaml:"content" doc:"The text of the file." oneof:"file"`
	Program string `yaml:"program" doc:"A program of this project to install, made for the image's architecture." oneof:"file" enum:"pkctl"`
	Link    string `yaml:"link" doc:"Target of a symlink." oneof:"file" pattern:"^[^\r\n]+$" hint:"the path that the link leads to, such as ../usr/lib/os-release"`
	Mode    string `yaml:"mode" doc:"Permissions. Without it: those of the source, 0755 for a program, else 0644." pattern:"^0?[0-7]{3,4}$" hint:"octal permissions in quotes, such as \"0644\""`
	UID     uint32 `yaml:"uid" doc:"Number of the owning user." default:"0"`
	GID     uint32 `yaml:"gid" doc:"Number of the owning group." default:"0"`
}

// User is an account of the image.
type User struct {
	Name           string   `yaml:"name" doc:"Login name." required:"true" pattern:"^[a-z_][a-z0-9_-]{0,31}$" hint:"up to 32 lower-case letters, digits, dashes and underscores, such as pi"`
	UID            uint32   `yaml:"uid" doc:"Number of the user and of the group of the same name." default:"1000"`
	Comment        string   `yaml:"comment" doc:"Full name or purpose." pattern:"^[^:\r\n]*$" hint:"one line without colons, such as Microscope operator"`
	Shell          string   `yaml:"shell" doc:"Login shell." default:"/bin/bash" pattern:"^/[^:\r\n]*$" hint:"an absolute path, such as /bin/bash"`
	Groups         []string `yaml:"groups" doc:"Further groups; a group that the packages do not bring is made as a system group." pattern:"^[a-z_][a-z0-9_-]{0,31}$" hint:"the name of a group, such as sudo"`
	Password       string   `yaml:"password" doc:"Name of the secret that holds the password, or its crypt(3) hash. Without a value for it the account is locked." private:"true"`
	AuthorizedKeys []string `yaml:"authorized-keys" doc:"Public keys that may log in over SSH." pattern:"^[^\r\n]+$" hint:"one public key in one line, as in id_ed25519.pub"`
}

// Run is a script that runs inside the tree.
type Run struct {
	Script  string   `yaml:"script" doc:"The script. /bin/sh runs it and ends at the first command that fails, unless its first line names another program after #!." oneof:"run"`
	File    string   `yaml:"file" doc:"File that holds the script, relative to the recipe." oneof:"run" path:"exists"`
	Inputs  []string `yaml:"inputs" doc:"Files and directories that the script reads, relative to the recipe. Each lies under its own name in /run/pkbuild/inputs, read-only." path:"exists"`
	Network bool     `yaml:"network" doc:"Whether the script reaches the network. What it fetches is not part of the layer's key: the script should check it." default:"false"`
	Secrets []string `yaml:"secrets" doc:"Names of secrets that the script reads. Each lies in a file of its name in /run/pkbuild/secrets while the script runs." private:"true" pattern:"^[a-z][a-z0-9_-]*$" hint:"the name of a secret, such as wifi-key"`
}

// Stage is a pallet staged in the image.
type Stage struct {
	Pallet string   `yaml:"pallet" doc:"Directory of the pallet, relative to the recipe." required:"true" path:"dir" hint:"the pallet's directory, such as pallets/standard"`
	Names  []string `yaml:"names" doc:"Names to give the bundle in the stage store." default:"[factory-reset]" format:"bundle" pattern:"^[a-z][a-z0-9-]*$" hint:"lower-case letters, digits and dashes, such as factory-reset"`
}

// Containers are container images that the device's Docker finds in its store.
type Containers struct {
	Images []ContainerImage `yaml:"images" doc:"Images besides those of the staged pallets' apps."`
	Stages bool             `yaml:"from-stages" doc:"Whether the images of all enabled Compose apps of the staged pallets are taken." default:"true"`
	Create bool             `yaml:"create" doc:"Whether the containers of these apps are created, too, so that the first boot only starts them: see docs/containers.md." default:"false"`
}

// ContainerImage is one container image.
type ContainerImage struct {
	Name   string `yaml:"name" doc:"Name by which Docker on the device knows it, as compose files write it." required:"true" format:"container" hint:"the name of a container image, such as eclipse-mosquitto:2.0.20"`
	Source string `yaml:"source" doc:"Where it is taken from, with a path relative to the recipe. Without it: from the registry of its name. An image of an app comes from there, too, if it has this name." path:"transport" pattern:"^(oci|oci-archive|docker-archive|dir):[^:\r\n]+(:[^\r\n]+)?$" hint:"oci:DIRECTORY, oci-archive:FILE, docker-archive:FILE or dir:DIRECTORY, the first three with :TAG where there are several"`
}

// Secret says where the value of a secret is found when an image is built. Exactly one field is set.
type Secret struct {
	Env  string `yaml:"env" doc:"Environment variable that holds it." oneof:"secret" private:"true" pattern:"^[A-Za-z_][A-Za-z0-9_]*$" hint:"the name of an environment variable, such as PKBUILD_PI_PASSWORD"`
	File string `yaml:"file" doc:"File that holds it, relative to the recipe; it need not exist. A line break at its end does not count." oneof:"secret" path:"optional"`
}

// Container is what an image of a container says to who runs it.
type Container struct {
	Entrypoint []string          `yaml:"entrypoint" doc:"The program that runs, and its first arguments." pattern:"^[^\x00]+$" hint:"one argument, such as /usr/sbin/mosquitto"`
	Cmd        []string          `yaml:"cmd" doc:"Further arguments, which who runs it may replace." pattern:"^[^\x00]*$" hint:"one argument, such as --verbose"`
	Env        map[string]string `yaml:"env" doc:"Variables of its environment." pattern:"^[A-Za-z_][A-Za-z0-9_]*$" hint:"the name of an environment variable, such as TZ"`
	User       string            `yaml:"user" doc:"Who runs it: a user or a number, and a group behind a colon. Without it: root." pattern:"^[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?$" hint:"a name or number such as mosquitto, or both of them such as 1000:1000"`
	Workdir    string            `yaml:"workdir" doc:"Directory in which it starts." format:"target" pattern:"^/" hint:"an absolute path without .., such as /srv"`
	Ports      []string          `yaml:"ports" doc:"Ports on which it listens." format:"port" pattern:"^[0-9]+(/(tcp|udp|sctp))?$" hint:"a number with an optional protocol, such as 1883 or 53/udp"`
	Volumes    []string          `yaml:"volumes" doc:"Directories with data that outlive a container." format:"target" pattern:"^/" hint:"an absolute path without .., such as /var/lib/mosquitto"`
	Labels     map[string]string `yaml:"labels" doc:"What else is to be known of it." pattern:"^[a-z0-9]([a-z0-9._/-]*[a-z0-9])?$" hint:"a name such as org.opencontainers.image.licenses"`
	StopSignal string            `yaml:"stop-signal" doc:"Signal that asks it to end. Without it: SIGTERM." pattern:"^SIG[A-Z0-9+-]+$" hint:"the name of a signal, such as SIGINT"`
	Docs       bool              `yaml:"docs" doc:"Whether manuals and other documentation of packages are part of it. Their licences are in any case." default:"false"`
	Locales    []string          `yaml:"locales" doc:"Languages whose translations of packages are part of it." pattern:"^[a-z]{2,3}(_[A-Z]{2})?$" hint:"the code of a language, such as de or pt_BR"`
}

// Boot is how the device starts.
type Boot struct {
	Config  []string `yaml:"config" doc:"Lines of config.txt after those that name the kernel and the initramfs." merge:"append" pattern:"^[^\r\n]*$" hint:"one line of config.txt, such as arm_boost=1"`
	Cmdline []string `yaml:"cmdline" doc:"Arguments of the kernel after root= and rootfstype=." merge:"append" pattern:"^[^\r\n]+$" hint:"one argument of the kernel, such as console=tty1"`
	Modules []string `yaml:"modules" doc:"Kernel modules that the initramfs loads, with those that they depend on. A name that the kernel has built in costs nothing; one that it does not have at all is an error." merge:"append" pattern:"^[A-Za-z0-9_-]+$" hint:"the name of a kernel module, such as overlay"`
}

// Disk is the layout of the image: see ParseSize for its sizes.
type Disk struct {
	BootSize  string `yaml:"boot-size" doc:"Size of the FAT32 partition, at least 256MiB." default:"512MiB" format:"boot-size" pattern:"^[0-9]+(B|[KMGT]iB)?$" hint:"a size in B, KiB, MiB, GiB or TiB, such as 512MiB"`
	Free      string `yaml:"free" doc:"Room left in the root file system. It grows to the card on the device." default:"512MiB" format:"size" pattern:"^[0-9]+(B|[KMGT]iB)?$" hint:"a size in B, KiB, MiB, GiB or TiB, such as 512MiB"`
	Grow      bool   `yaml:"grow" doc:"Whether the root file system grows to the end of the card in the first boot: see docs/boot.md." default:"true"`
	Size      string `yaml:"size" doc:"Size of the whole image, rounded down to 4MiB, such as 14GiB for cards that are sold as 16 GB. Without it the image is as large as it needs to be." format:"size" pattern:"^[0-9]+(B|[KMGT]iB)?$" hint:"a size in B, KiB, MiB, GiB or TiB, such as 14GiB"`
	Signature string `yaml:"signature" doc:"Disk signature. Without it one is derived from the name." pattern:"^[0-9a-f]{8}$" hint:"eight hexadecimal digits in lower case and in quotes, such as \"5e2a91c4\""`
}
