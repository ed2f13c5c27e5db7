// Package resource decides which resources of deployments conflict, and which of those that deployments require are
// there. It is pure: it knows nothing of files, packages or pallets.
//
// The verdicts are those of Forklift (https://github.com/forklift-run/forklift/blob/main/docs/specs/00-package.md), also
// where they surprise: a protocol is any text, tags matter to requirements and never to conflicts, a path has no
// meaning for the paths below it unless it ends in "*", and duplicates within one deployment are none.
package resource
