// Package pallet reads Forklift pallets and bundles them: what a device keeps of a pallet as one of its stages.
//
// Forklift (https://github.com/forklift-run/forklift) sets the formats; its specification of packages is
// https://github.com/forklift-run/forklift/blob/main/docs/specs/00-package.md. As in Forklift, unknown keys are
// ignored. Unlike in Forklift, no export can leave the bundle, and nothing is read from outside the pallet.
//
// A Bundle is pure data: the package writes nothing, downloads nothing and mounts nothing, and it does not read stage
// stores. What needs more than local files, exports from downloads and required pallets and repositories, is refused.
package pallet
