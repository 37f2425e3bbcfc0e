// The parts of the AWS SDK that this package uses, in one module: the package contains it, with its
// dependencies, as separate files that are loaded only for S3 (see scripts/bundle.mjs). The tests
// use those files, too (package.json lists them under `imports`, for the condition "shipped").
// Types are imported from the SDK itself.
export {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '#aws-sdk'
