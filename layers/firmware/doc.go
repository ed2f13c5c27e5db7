// Package firmware is a model of the firmware of Raspberry Pis: which kernel, initramfs, device tree, overlays and command
// line a board loads from a card, and why it does not start.
//
// The rules are those of https://www.raspberrypi.com/documentation/computers/config_txt.html and of the release notes of
// https://github.com/raspberrypi/rpi-eeprom. Settings of clocks, memory, screens and voltages are ignored, and so is the
// configuration in a board's EEPROM, which is taken to be the default.
package firmware
