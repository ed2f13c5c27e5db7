// Package resource finds conflicts between resources of deployments, required resources that are missing, and the start
// order of deployments. It is pure: it reads no files and knows neither packages nor pallets.
//
// The results are those of Forklift (https://github.com/forklift-run/forklift/blob/main/docs/specs/00-package.md), also
// where they surprise: a protocol is any text, tags matter to requirements but not to conflicts, a path does not cover
// the paths below it unless it ends in "*", and duplicates within one deployment are no conflict.
package resource
