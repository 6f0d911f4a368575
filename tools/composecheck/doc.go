// Package composecheck holds docker-compose.yml to what a machine without a container engine can
// tell: that it parses as Compose does, that what it mounts and builds exists, that images are
// pinned, that ports stay on this machine, that every service shows its health, and that our
// services are given only settings that our code reads.
//
// It is a module of its own, so that the product does not carry a Compose parser.
package composecheck
