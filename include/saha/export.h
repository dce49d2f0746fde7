#ifndef SAHA_EXPORT_H
#define SAHA_EXPORT_H
/* SAHA_API marks what libsaha shows; everything else in it is hidden. */
#if defined(__GNUC__)
#define SAHA_API __attribute__((visibility("default")))
#else
#define SAHA_API
#endif
#endif
