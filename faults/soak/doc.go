// Package soak sends thousands of orders through a Dropline whose Postgres and Temporal keep stopping and
// dying, and counts what is lost or doubled.
package soak
