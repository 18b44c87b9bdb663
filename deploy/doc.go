// Package deploy holds no code: images, packages, charts, a systemd unit and the
// clouds' access policies. Its tests keep them true to the program; those in
// check, a module of its own, to the programs that read them.
package deploy
