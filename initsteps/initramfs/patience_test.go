package initramfs

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPatience(t *testing.T) {
	p := newPatience()
	var said []time.Duration
	for waited := time.Duration(0); ; waited += poll {
		complain, over := p.after(waited)
		if complain {
			said = append(said, waited)
		}
		if over {
			require.Equal(t, giveUp, waited)
			break
		}
	}
	require.Equal(t, calm, said[0])
	require.Len(t, said, 10, "every ten seconds from 30 to 120")
}
