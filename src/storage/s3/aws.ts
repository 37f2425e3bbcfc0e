// The parts of the AWS SDK that this package uses. scripts/bundle.mjs writes these parts of the AWS
// SDK, with their dependencies, to separate files of the package litestream-ts. Node.js loads the
// files with the SDK only for replicas in S3. The tests use the same files of the AWS SDK.
// package.json lists the files with the SDK under `imports`, for the condition "shipped". Types are
// imported from the SDK itself.
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
