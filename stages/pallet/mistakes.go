package pallet

import "slices"

// mistakes are what is found wrong in one run, in the order of finding.
type mistakes []error

// add notes a mistake, unless it is nil or known: a file that is bundled twice is not wrong twice.
func (m *mistakes) add(err error) {
	known := func(other error) bool { return other.Error() == err.Error() }
	if err != nil && !slices.ContainsFunc(*m, known) {
		*m = append(*m, err)
	}
}
