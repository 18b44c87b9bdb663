// Package deploy holds no code: a container image, a systemd unit and the
// clouds' access policies. Its tests keep them true to the program.
package deploy
