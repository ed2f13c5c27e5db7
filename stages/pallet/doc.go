// Package pallet reads Forklift pallets and bundles them: what a device keeps of a pallet as one of its stages.
//
// Forklift (https://github.com/forklift-run/forklift) sets the formats; its specification of packages is
// https://github.com/forklift-run/forklift/blob/main/docs/specs/00-package.md. As in Forklift, unknown keys are
// ignored. Unlike in Forklift, no export can leave the bundle, and nothing is read from outside the pallet.
//
// A Bundle is pure data: the package writes nothing, downloads nothing and mounts nothing, and it does not read stage
// stores. It refuses what needs more than the pallet's own files: exports from downloads, and required pallets and
// repositories. Compose files are bundled with their packages but not read, so the manifest does not list the
// containers of a deployment.
package pallet
