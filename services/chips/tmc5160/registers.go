package tmc5160

// Registers and their bits, from section 6 of the data sheet.
const (
	regGCONF      = 0x00
	regGSTAT      = 0x01
	regIOIN       = 0x04
	regIHOLDIRUN  = 0x10
	regTPOWERDOWN = 0x11
	regTCOOLTHRS  = 0x14
	regRAMPMODE   = 0x20
	regXACTUAL    = 0x21
	regVACTUAL    = 0x22
	regVSTART     = 0x23
	regA1         = 0x24
	regV1         = 0x25
	regAMAX       = 0x26
	regVMAX       = 0x27
	regDMAX       = 0x28
	regD1         = 0x2a
	regVSTOP      = 0x2b
	regTZEROWAIT  = 0x2c
	regXTARGET    = 0x2d
	regSWMODE     = 0x34
	regRAMPSTAT   = 0x35
	regCHOPCONF   = 0x6c
	regCOOLCONF   = 0x6d
	regDRVSTATUS  = 0x6f
	regPWMCONF    = 0x70

	writeFlag = 0x80 // of the address byte
	regCount  = 0x80

	gconfStealthChop = 1 << 2
	gconfShaft       = 1 << 4 // inverts the direction

	gstatReset       = 1 << 0
	gstatDriverError = 1 << 1
	gstatUndervolt   = 1 << 2

	ioinVersion = 0x30 // in bits 24 to 31

	rampPosition = 0
	rampHold     = 3

	rampStatStall           = 1 << 6 // the motor was stopped by StallGuard
	rampStatPositionReached = 1 << 9
	rampStatStandstill      = 1 << 10

	swStallStop = 1 << 10

	chopTOFF = 0xf // bits 0 to 3; 0 switches the driver stage off

	drvStallGuard      = 1 << 24
	drvOverTemperature = 1 << 25
	drvTemperatureWarn = 1 << 26
	drvShortA          = 1 << 27
	drvShortB          = 1 << 28

	statusReset       = 1 << 0 // of the byte that comes with each datagram
	statusDriverError = 1 << 1
)

// clock is the frequency of the chip's internal oscillator in hertz. It varies by some percent from chip to chip.
const clock = 12e6

const (
	maxVelocity     = 1<<23 - 512 - 1
	maxAcceleration = 1<<16 - 1
)

// velocityUnits returns v, in microsteps per second, in the unit of VMAX: clock/2^24 (data sheet, section 12.1).
func velocityUnits(v float64) uint32 {
	return uint32(min(max(v*(1<<24)/clock+0.5, 1), maxVelocity))
}

// accelerationUnits returns a, in microsteps per second squared, in the unit of AMAX: clock²/2^41.
func accelerationUnits(a float64) uint32 {
	return uint32(min(max(a*(1<<41)/clock/clock+0.5, 1), maxAcceleration))
}

func velocity(units uint32) float64     { return float64(units) * clock / (1 << 24) }
func acceleration(units uint32) float64 { return float64(units) * clock * clock / (1 << 41) }
