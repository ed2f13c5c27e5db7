package pallet

import (
	"errors"
	"fmt"
	"slices"
)

// maxMistakes is how many mistakes are told. A pallet with more of them is not repaired by reading on.
const maxMistakes = 200

// mistakes are what is found wrong in one run, in the order of finding.
type mistakes []error

// add notes a mistake, unless it is nil or known: a file that is bundled twice is not wrong twice.
func (m *mistakes) add(err error) {
	known := func(other error) bool { return other.Error() == err.Error() }
	if err != nil && len(*m) <= maxMistakes && !slices.ContainsFunc(*m, known) {
		*m = append(*m, err)
	}
}

// err is all mistakes, one a line.
func (m mistakes) err() error {
	if len(m) > maxMistakes {
		return errors.Join(errors.Join(m[:maxMistakes]...), fmt.Errorf("and more than %d mistakes", maxMistakes))
	}
	return errors.Join(m...)
}
